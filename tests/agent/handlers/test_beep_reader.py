from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.handlers.beep_reader import beep_onsets
from agent.tracks.tone import Tone

EXACT_S = 0.0005


def sound(tone: Tone, seconds: float) -> NDArray[np.int16]:
    frames = range(round(seconds * tone.sample_rate) // tone.frame_samples)
    return np.concatenate([tone.frame(index).samples for index in frames])


def through_opus(samples: NDArray[np.int16], bit_rate: int) -> NDArray[np.int16]:
    """Return mono samples after Opus, its delay at the start taken off."""
    encoder = av.CodecContext.create("libopus", "w")
    decoder = av.CodecContext.create("opus", "r")
    assert isinstance(encoder, av.AudioCodecContext)
    assert isinstance(decoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.bit_rate = bit_rate
    encoder.time_base = Fraction(1, 48_000)
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    packets = []
    for start in range(0, len(samples) - 959, 960):
        frame = av.AudioFrame.from_ndarray(samples[start : start + 960].T.copy(), "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, start
        packets += encoder.encode(frame)
    decoded = [frame.to_ndarray() for packet in packets for frame in decoder.decode(packet)]
    pre_skip = 312  # what libopus looks ahead at 48 kHz
    heard = np.concatenate(decoded, axis=1)[0, pre_skip:]
    return np.asarray(np.clip(heard * 32767, -32768, 32767), np.int16)


@pytest.mark.parametrize("amplitude", [0.0, 0.05])
@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
def test_beeps_are_found_where_they_start(amplitude: float, sample_rate: int) -> None:
    tone = Tone(
        amplitude=amplitude, beep_amplitude=0.5, sample_rate=sample_rate, frame_samples=441 * 2
    )

    onsets = beep_onsets(sound(tone, 4.5)[sample_rate // 2 :], sample_rate)

    assert onsets == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=EXACT_S)


@pytest.mark.parametrize("bit_rate", [16_000, 32_000, 64_000])
def test_beeps_are_found_after_opus(bit_rate: int) -> None:
    samples = sound(Tone(amplitude=0.05, beep_amplitude=0.5), 4.5)[24_000:]

    assert beep_onsets(through_opus(samples, bit_rate), 48_000) == pytest.approx(
        [0.5, 1.5, 2.5, 3.5], abs=0.001
    )


def test_beeps_in_noise_of_minus_20_db_are_found() -> None:
    samples = sound(Tone(amplitude=0.0, beep_amplitude=0.5), 3.5)[24_000:, 0]
    noise = np.random.default_rng(1).normal(0, 0.05 * 32767, len(samples))

    onsets = beep_onsets((samples + noise).astype(np.int16), 48_000)

    assert onsets == pytest.approx([0.5, 1.5, 2.5], abs=0.001)


def test_beeps_that_are_not_whole_are_left_out() -> None:
    samples = sound(Tone(beep_amplitude=0.5, amplitude=0.0), 3.0)

    assert beep_onsets(samples[480 : 2 * 48_000 + 2400], 48_000) == pytest.approx(
        [0.99], abs=EXACT_S
    )


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((0, 1), np.int16),
        np.zeros((48_000, 1), np.int16),
        sound(Tone(1000.0), 2.0),
        sound(Tone(440.0), 2.0),
    ],
    ids=["nothing", "silence", "a tone of the same frequency", "another tone"],
)
def test_where_there_are_no_beeps_none_are_found(samples: NDArray[np.int16]) -> None:
    assert beep_onsets(samples, 48_000) == []
