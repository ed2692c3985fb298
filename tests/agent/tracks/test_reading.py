from fractions import Fraction
from pathlib import Path

from agent.media import Kind
from agent.tracks.reading import Reading
from tests.media_files import Pictures, Sound, write_media


def test_a_track_whose_next_packet_is_far_lets_the_other_go_first(tmp_path: Path) -> None:
    # One picture, and the next after five seconds of sound.
    film = write_media(tmp_path / "slides.mkv", Pictures(times=(0.0, 5.0)), Sound(6.0))
    reading = Reading(film, tuple(Kind), Fraction(0), max_packets_bytes=10_000)
    pictures, sound = reading.pictures(), reading.sound()

    first = next(pictures)
    assert first is not None
    assert next(pictures) is None

    heard_s = 0.0
    second = None
    while second is None:
        placed = next(sound)
        if placed is not None:
            heard_s = (placed[0] + len(placed[1])) / 48_000
        second = next(pictures)
    assert second.time == 5
    assert 3 < heard_s < 5
    reading.close()


def test_a_track_can_be_read_whole_before_the_other(tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mkv", Pictures(count=25), Sound(1.0))
    reading = Reading(film, tuple(Kind), Fraction(0))

    pictures = list(reading.pictures())
    samples = sum(len(placed[1]) for placed in reading.sound() if placed is not None)
    reading.close()

    assert len(pictures) == 25
    assert None not in pictures
    assert 48_000 <= samples < 50_000
