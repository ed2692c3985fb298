import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tracks.tone import Tone


def test_frames_are_20_ms_of_mono_48_khz() -> None:
    frame = Tone().frame(3)

    assert frame.samples.shape == (960, 1)
    assert frame.sample_rate == 48_000
    assert frame.time == 3 * frame.duration


@given(
    frequency=st.floats(20, 20_000),
    beep_amplitude=st.sampled_from([0.0, 0.5]),
    index=st.integers(0, 10_000),
)
def test_the_wave_is_continuous_across_frames(
    frequency: float, beep_amplitude: float, index: int
) -> None:
    tone = Tone(frequency, beep_amplitude=beep_amplitude)
    two = np.concatenate([tone.frame(2 * index).samples, tone.frame(2 * index + 1).samples])
    long = Tone(frequency, beep_amplitude=beep_amplitude, frame_samples=1920)

    np.testing.assert_array_equal(two, long.frame(index).samples)


def test_all_channels_sound_the_same() -> None:
    samples = Tone(channels=2).frame(1).samples

    assert samples.shape == (960, 2)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])


@given(
    sample_rate=st.sampled_from([44_100, 48_000]),
    frame_samples=st.sampled_from([480, 960, 1024]),
)
def test_beeps_start_with_each_second_to_the_sample(sample_rate: int, frame_samples: int) -> None:
    tone = Tone(
        amplitude=0.0, beep_amplitude=0.5, sample_rate=sample_rate, frame_samples=frame_samples
    )
    samples = np.concatenate(
        [tone.frame(index).samples for index in range(3 * sample_rate // frame_samples + 1)]
    )[:, 0]

    for second in range(3):
        start = second * sample_rate
        assert samples[start + 1] != 0
        assert np.abs(samples[start : start + 4410]).max() > 15_000
        assert not samples[start + sample_rate // 10 : start + sample_rate].any()


async def test_a_tone_is_iterated_from_its_first_frame_on() -> None:
    frames = aiter(Tone())

    assert [(await anext(frames)).pts, (await anext(frames)).pts] == [0, 960]


@pytest.mark.parametrize("frequency", [0, -1, 24_000])
def test_a_frequency_that_48_khz_cannot_carry_is_refused(frequency: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 24000 Hz"):
        Tone(frequency)


def test_amplitudes_that_would_clip_are_refused() -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        Tone(amplitude=0.6, beep_amplitude=0.5)
