"""Sound that is made, not played: a sine tone, with or without a beep a second."""

import itertools
from collections.abc import AsyncIterator
from math import tau

import numpy as np
from numpy.typing import NDArray

from agent.media import AudioFrame
from agent.sync_marks import BEEP_HZ, BEEP_RAMP_S, BEEP_S

_FULL_SCALE = 32767


class Tone:
    """An endless sine tone, the same in each channel, and a beep at each whole second.

    Frame *n* is a function of *n* alone: the wave is continuous across frames, and a test
    can look at any frame without running a clock.
    """

    def __init__(
        self,
        frequency: float = 440.0,
        *,
        amplitude: float = 0.25,
        beep_amplitude: float = 0.0,
        sample_rate: int = 48_000,
        channels: int = 1,
        frame_samples: int = 960,
    ) -> None:
        """Make a tone of ``frequency`` Hz; amplitudes are 0 to 1, together at most 1.

        The beep is :data:`~agent.sync_marks.BEEP_HZ` whatever ``frequency`` is; it starts
        exactly with each second of media time.

        Raises:
            ValueError: If the rate can't carry the frequency, or the sum would clip.
        """
        if not 0 < frequency < sample_rate / 2:
            message = f"frequency must lie between 0 and {sample_rate / 2:g} Hz, not {frequency:g}"
            raise ValueError(message)
        if min(amplitude, beep_amplitude) < 0 or amplitude + beep_amplitude > 1:
            message = f"amplitudes must add up to 1 at most, not {amplitude:g} + {beep_amplitude:g}"
            raise ValueError(message)
        self.frequency = frequency
        self.amplitude = amplitude
        self.sample_rate = sample_rate
        self.channels = channels
        self.frame_samples = frame_samples
        self._beep = _beep(sample_rate, beep_amplitude) if beep_amplitude else np.zeros(0)

    def frame(self, index: int) -> AudioFrame:
        """Return frame ``index``, counted from 0."""
        pts = index * self.frame_samples
        count = np.arange(pts, pts + self.frame_samples)
        wave = self.amplitude * np.sin(tau * self.frequency / self.sample_rate * count)
        if len(self._beep):
            in_second = count % self.sample_rate
            beeping = in_second < len(self._beep)
            wave[beeping] += self._beep[in_second[beeping]]
        samples = np.rint(_FULL_SCALE * wave).astype(np.int16)
        stacked = np.repeat(samples[:, np.newaxis], self.channels, axis=1)
        return AudioFrame(stacked, self.sample_rate, pts)

    async def __aiter__(self) -> AsyncIterator[AudioFrame]:
        for index in itertools.count():
            yield self.frame(index)


def _beep(sample_rate: int, amplitude: float) -> NDArray[np.float64]:
    seconds = np.arange(round(BEEP_S * sample_rate)) / sample_rate
    swell = np.minimum(1.0, np.minimum(seconds, BEEP_S - seconds) / BEEP_RAMP_S)
    return np.asarray(amplitude * swell * np.sin(tau * BEEP_HZ * seconds))
