from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sync_marks import FLASH_S
from agent.tracks.bitmap_font import glyphs
from agent.tracks.pattern import Pattern, source_id

NTSC = Fraction(30_000, 1001)
SMALL = Pattern(160, 90)


def test_a_picture_has_the_size_asked_for() -> None:
    frame = Pattern(642, 362).frame(0)

    assert (frame.width, frame.height) == (642, 362)


@given(index=st.integers(0, 2**33))
def test_a_picture_is_a_function_of_its_number(index: int) -> None:
    np.testing.assert_array_equal(SMALL.frame(index).i420, SMALL.frame(index).i420)
    assert (SMALL.frame(index).i420 != SMALL.frame(index + 1).i420).any()


def test_a_picture_may_be_changed_by_who_has_it() -> None:
    before = SMALL.frame(7).i420.copy()
    SMALL.frame(7).i420[:] = 0

    np.testing.assert_array_equal(SMALL.frame(7).i420, before)


@given(index=st.integers(0, 10**7))
def test_29_97_pictures_a_second_are_3003_ticks_apart(index: int) -> None:
    assert Pattern(160, 90, NTSC).frame(index).pts == 3003 * index


@pytest.mark.parametrize("fps", [Fraction(1), Fraction(5), NTSC, Fraction(30), Fraction(60)])
def test_the_flash_comes_with_the_first_picture_of_each_second(fps: Fraction) -> None:
    pattern = Pattern(160, 90, fps)
    times = [index / fps for index in range(int(20 * fps))]

    for index, (before, time) in enumerate(pairwise(times), 1):
        begins = int(time) > int(before)
        assert pattern.flashes(index) == (begins or time % 1 < FLASH_S)
    assert pattern.flashes(0)


def test_the_clock_shows_the_time_and_the_number_within_the_second() -> None:
    hour = 30 * 3600
    shown = Pattern(1280, 720).frame(12 * hour + 30 * (34 * 60 + 56) + 7).i420
    scale = 13

    found = "".join(
        character
        for place in range(11)
        for character, glyph in glyphs(scale, 16, 235).items()
        if np.array_equal(
            shown[421 : 421 + 7 * scale, 38 + 6 * scale * place : 38 + 6 * scale * (place + 1)],
            glyph,
        )
    )

    assert found == "12:34:56:07"


def test_the_marker_moves_and_comes_round_every_four_seconds() -> None:
    def left_edge(index: int) -> int:
        return int(np.argmax(SMALL.frame(index).i420[46] == 235))

    edges = [left_edge(index) for index in range(120)]

    assert edges == sorted(edges)
    assert edges[-1] - edges[0] > 140
    assert left_edge(120) == edges[0]


def test_sources_differ_in_colour_from_each_other() -> None:
    def hue(source: int) -> tuple[int, ...]:
        i420 = Pattern(160, 90, source_id=source).frame(60).i420
        return tuple(int(i420.reshape(-1)[plane + 23 * 80]) for plane in (14_400, 18_000))

    hues = [hue(source) for source in range(6)]

    for index, one in enumerate(hues):
        for other in hues[index + 1 :]:
            assert np.abs(np.subtract(one, other)).max() > 12


def test_the_number_of_an_identity_is_the_same_everywhere() -> None:
    assert (source_id("ann"), source_id("bob")) == (115, 64)


async def test_a_pattern_is_iterated_from_its_first_picture_on() -> None:
    frames = aiter(SMALL)

    assert [(await anext(frames)).pts, (await anext(frames)).pts] == [0, 3000]


@pytest.mark.parametrize(
    ("width", "height", "fps", "source", "wrong"),
    [
        (126, 90, 30, 0, "between 128x72 and 3840x2160"),
        (160, 2162, 30, 0, "between 128x72 and 3840x2160"),
        (161, 90, 30, 0, "are even, not 161x90"),
        (160, 91, 30, 0, "are even, not 160x91"),
        (160, 90, 0, 0, "1 to 100 pictures a second, not 0"),
        (160, 90, 101, 0, "1 to 100 pictures a second, not 101"),
        (160, 90, 30, 256, "from 0 to 255, not 256"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    width: int, height: int, fps: int, source: int, wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        Pattern(width, height, fps, source_id=source)
