from pathlib import Path

import pytest

from agent.media import EncodedFrame, VideoFrame
from agent.recording.marks import FIRST_PICTURES, skew_by_marks
from tests.films import encoded, late_audio, pictures, sound, write_part


def film(late_s: float) -> list[EncodedFrame]:
    return encoded(pictures(4), [late_audio(frame, late_s) for frame in sound(4)])


@pytest.mark.parametrize("late_s", [0.0, 0.08])
def test_the_skew_of_a_file_with_pattern_and_beeps_is_measured(
    tmp_path: Path, late_s: float
) -> None:
    write_part(tmp_path / "a.mkv", film(late_s))

    skew = skew_by_marks(tmp_path / "a.mkv")

    assert skew is not None
    assert skew.median_ms == pytest.approx(1000 * late_s, abs=2)
    assert skew.pairs == 3  # the first flash began before the file


def test_a_file_that_shows_something_else_has_no_marks(tmp_path: Path) -> None:
    shown = list(pictures(4))
    for frame in shown:
        frame.i420[:] = 128
    write_part(tmp_path / "a.mkv", encoded(shown, sound(4)))

    assert skew_by_marks(tmp_path / "a.mkv") is None


def test_a_file_without_sound_has_no_marks(tmp_path: Path) -> None:
    write_part(tmp_path / "a.mkv", encoded(pictures(2)))

    assert skew_by_marks(tmp_path / "a.mkv") is None


def test_the_pattern_may_begin_a_few_pictures_late(tmp_path: Path) -> None:
    shown: list[VideoFrame] = list(pictures(4))
    for frame in shown[: FIRST_PICTURES - 1]:
        frame.i420[:] = 128
    write_part(tmp_path / "a.mkv", encoded(shown, sound(4)))

    assert skew_by_marks(tmp_path / "a.mkv") is not None
