"""Finding the beeps in sound; see :class:`agent.tracks.tone.Tone`."""

from math import tau

import numpy as np
from numpy.typing import NDArray

from agent.sync_marks import BEEP_HZ, BEEP_RAMP_S, BEEP_S

_WINDOW_S = 0.004
"""A whole number of periods of the beep, and long enough to tell it from a hum."""

_MIN_LEVEL = 0.005
"""Of full scale: what is quieter is noise."""


def beep_onsets(samples: NDArray[np.int16], sample_rate: int) -> list[float]:
    """Return when each beep starts, in seconds after the first sample.

    Exact to well under a millisecond, also after Opus at speech bit rates. A beep that is cut
    off by the start or the end, or is longer or shorter than ours, is none.

    Args:
        samples: Shape ``(n,)`` or ``(n, channels)``; channels are added up. Meant for up to
            some minutes: it takes 32 bytes of memory a sample.
        sample_rate: In Hz.
    """
    if not len(samples):
        return []
    level = _beep_level(samples, sample_rate)
    if level.max() < _MIN_LEVEL:
        return []
    above = np.concatenate([[False], level > level.max() / 4, [False]])
    changes = np.flatnonzero(above[1:] != above[:-1])
    onsets = []
    for start, end in changes.reshape(-1, 2):
        whole = start > 0 and end < len(level)
        if whole and 0.8 * BEEP_S < (end - start) / sample_rate < 1.2 * BEEP_S:
            middle = _middle_of_swell(level, int(start), int(end))
            onsets.append(middle / sample_rate - BEEP_RAMP_S / 2)
    return onsets


def _beep_level(samples: NDArray[np.int16], sample_rate: int) -> NDArray[np.float64]:
    """Return the amplitude at the beep's frequency around each sample, 0 to 1."""
    mono = samples.reshape(len(samples), -1).mean(axis=1) / 32767
    turning = mono * np.exp(-1j * tau * BEEP_HZ / sample_rate * np.arange(len(mono)))
    window = 2 * round(_WINDOW_S * sample_rate / 2)
    padded = np.pad(turning, (window // 2, window // 2))
    summed = np.concatenate([[0], np.cumsum(padded)])
    level = 2 * np.abs(summed[window:] - summed[:-window])[: len(mono)] / window
    return np.asarray(level, np.float64)


def _middle_of_swell(level: NDArray[np.float64], start: int, end: int) -> float:
    """Return where the level passes half of what it then stays at, between two samples."""
    half = float(np.median(level[start:end])) / 2
    above = start + int(np.argmax(level[start:end] >= half))
    while level[above - 1] >= half:
        above -= 1
    below, reached = float(level[above - 1]), float(level[above])
    return above - (reached - half) / (reached - below)
