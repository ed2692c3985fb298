from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.handlers.pattern_reader import read_pattern
from agent.tracks.conversion import (
    BLOCK_SAMPLES,
    MAX_SILENCE_S,
    SAMPLE_RATE,
    BlockCutter,
    PictureConverter,
    SoundConverter,
)
from agent.tracks.pattern import Pattern
from agent.tracks.tone import Tone

SQUARE = Fraction(1)


def picture(width: int, height: int, pixel_format: str = "yuv420p") -> av.VideoFrame:
    drawn = av.VideoFrame.from_ndarray(Pattern(320, 180).frame(41).i420, format="yuv420p")
    return drawn.reformat(width, height, pixel_format)


def number_in(i420: NDArray[np.uint8]) -> int | None:
    reading = read_pattern(i420)
    return reading.number if reading else None


def test_a_picture_that_fits_is_copied_as_it_is() -> None:
    drawn = Pattern(322, 182).frame(5).i420
    frame = av.VideoFrame.from_ndarray(drawn, format="yuv420p")

    np.testing.assert_array_equal(PictureConverter(SQUARE, None).convert(frame), drawn)


@pytest.mark.parametrize(
    "pixel_format", ["yuv420p10le", "yuv444p", "yuv422p", "nv12", "rgb24", "gray", "yuva420p"]
)
def test_other_pixel_formats_are_converted(pixel_format: str) -> None:
    i420 = PictureConverter(SQUARE, None).convert(picture(320, 180, pixel_format))

    assert i420.shape == (270, 320)
    assert number_in(i420) == 41


def test_pictures_of_full_range_are_brought_into_the_limited_one() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((270, 320), 255, np.uint8), format="yuv420p")
    frame.color_range = 2

    assert PictureConverter(SQUARE, None).convert(frame)[0, 0] == 235


def test_an_odd_row_and_column_are_left_out() -> None:
    odd = picture(641, 359)
    i420 = PictureConverter(SQUARE, None).convert(odd)
    stored = np.frombuffer(memoryview(odd.planes[0]), np.uint8)

    assert i420.shape == (537, 640)
    np.testing.assert_array_equal(i420[0], stored[:640])


@pytest.mark.parametrize(
    ("width", "aspect", "shown"),
    [
        (240, Fraction(4, 3), (320, 180)),
        (320, Fraction(0), (320, 180)),
        (480, Fraction(2, 3), (480, 270)),
    ],
)
def test_pixels_are_made_square(width: int, aspect: Fraction, shown: tuple[int, int]) -> None:
    i420 = PictureConverter(aspect, None).convert(picture(width, 180))

    assert (i420.shape[1], i420.shape[0] * 2 // 3) == shown
    assert number_in(i420) == 41


@pytest.mark.parametrize(("limit", "height"), [(90, 90), (91, 90), (180, 180), (1000, 180)])
def test_pictures_are_scaled_down_to_a_greatest_height_and_never_up(
    limit: int, height: int
) -> None:
    i420 = PictureConverter(SQUARE, limit).convert(picture(320, 180))

    assert i420.shape[0] * 2 // 3 == height
    assert number_in(i420) == 41


def mono_s16(samples: NDArray[np.int16], rate: int, layout: str = "mono") -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples.reshape(1, -1)), format="s16", layout=layout
    )
    frame.sample_rate = rate
    return frame


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_sound_of_any_rate_keeps_its_place_and_length(rate: int) -> None:
    click = np.zeros(rate, np.int16)
    click[rate // 2] = 32_000
    converter = SoundConverter(1)

    placed = [
        piece
        for start in range(0, rate, rate // 100)
        for piece in converter.convert(
            mono_s16(click[start : start + rate // 100], rate), Fraction(start, rate)
        )
    ] + converter.finish()
    samples = np.concatenate([samples for _, samples in placed])[:, 0]

    assert placed[0][0] == 0
    assert len(samples) == pytest.approx(SAMPLE_RATE, abs=2)
    assert int(np.abs(samples.astype(int)).argmax()) == pytest.approx(SAMPLE_RATE // 2, abs=4)


def test_mono_is_copied_to_both_sides_and_5_1_mixed_down_to_two() -> None:
    tone = Tone(amplitude=0.2).frame(0).samples
    stereo = SoundConverter(2).convert(mono_s16(tone, 48_000), Fraction(0))
    surround = SoundConverter(2).convert(
        mono_s16(tone.repeat(6, axis=1), 48_000, "5.1"), Fraction(0)
    )

    for [(_, samples)] in (stereo, surround):
        assert samples.shape == (960, 2)
        assert np.abs(samples).max() > 3000
        np.testing.assert_array_equal(samples[:, 0], samples[:, 1])


def test_times_that_are_rounded_make_no_gap_and_those_that_jump_do() -> None:
    tone = Tone()
    times = [Fraction(0), Fraction(21, 1000), Fraction(39, 1000), Fraction(2), None]
    converter = SoundConverter(1)

    indexes = [
        index
        for number, time in enumerate(times)
        for index, _ in converter.convert(mono_s16(tone.frame(number).samples, 48_000), time)
    ]

    assert indexes == [0, 960, 1920, 96_000, 96_960]


def test_sound_may_change_its_form_on_the_way() -> None:
    converter = SoundConverter(1)
    first = mono_s16(np.zeros(441, np.int16), 44_100)
    second = mono_s16(np.zeros(960, np.int16), 48_000, "stereo")

    placed = [
        *converter.convert(first, Fraction(0)),
        *converter.convert(second, Fraction(1, 100)),
        *converter.finish(),
    ]

    assert sum(len(samples) for _, samples in placed) == pytest.approx(480 + 480, abs=2)
    assert placed[-1][0] == 480


def ramp(start: int, count: int) -> NDArray[np.int16]:
    """Samples that tell where they belong."""
    return np.arange(start, start + count).astype(np.int16)[:, np.newaxis]


runs = st.lists(st.tuples(st.integers(-500, 70_000), st.integers(0, 3000)), max_size=20)


@given(runs=runs)
def test_blocks_hold_every_sample_where_it_belongs(runs: list[tuple[int, int]]) -> None:
    cutter = BlockCutter(1)
    expected = np.zeros((0, 1), np.int16)
    blocks = []
    for gap, count in runs:
        index = max(0, cutter.end + gap)
        blocks += cutter.place(index, ramp(index, count))
        new = ramp(index, count)[max(0, len(expected) - index) :]
        if len(new):
            silence = np.zeros((max(0, index - len(expected)), 1), np.int16)
            expected = np.concatenate([expected, silence, new])
    blocks += cutter.flush()

    heard = np.zeros_like(expected)
    end = 0
    for block in blocks:
        assert block.pts >= end
        assert block.pts == end or block.pts - end > MAX_SILENCE_S * SAMPLE_RATE
        end = block.pts + len(block.samples)
        heard[block.pts : end] = block.samples
    np.testing.assert_array_equal(heard, expected)


@given(counts=st.lists(st.integers(1, 3000)))
def test_blocks_of_sound_without_long_gaps_are_all_of_one_length_but_the_last(
    counts: list[int],
) -> None:
    cutter = BlockCutter(2)
    blocks = [
        block
        for number, count in enumerate(counts)
        for block in cutter.place(cutter.end + number % 3, np.ones((count, 2), np.int16))
    ]

    assert {len(block.samples) for block in blocks} <= {BLOCK_SAMPLES}
    assert [len(block.samples) < BLOCK_SAMPLES for block in cutter.flush()] in ([], [True])
