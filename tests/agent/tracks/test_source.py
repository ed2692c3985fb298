from fractions import Fraction

import pytest

from agent.errors import UsageError
from agent.tracks.source import DEFAULT_AUDIO, DEFAULT_VIDEO, parse_audio, parse_video


@pytest.mark.parametrize(
    ("text", "width", "height", "fps"),
    [
        (DEFAULT_VIDEO, 1280, 720, Fraction(30)),
        ("bars", 1280, 720, Fraction(30)),
        ("bars:640x360", 640, 360, Fraction(30)),
        ("bars@25", 1280, 720, Fraction(25)),
        ("bars:640x360@29.97", 640, 360, Fraction(30_000, 1001)),
        ("bars:640x360@23.976", 640, 360, Fraction(24_000, 1001)),
        ("bars:640x360@30000/1001", 640, 360, Fraction(30_000, 1001)),
        ("bars:640x360@12.5", 640, 360, Fraction(25, 2)),
    ],
)
def test_pictures_are_described_by_size_and_rate(
    text: str, width: int, height: int, fps: Fraction
) -> None:
    pattern = parse_video(text, source_id=9)

    assert (pattern.width, pattern.height, pattern.fps) == (width, height, fps)
    assert pattern.source_id == 9


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "write bars:WIDTHxHEIGHT@FPS"),
        ("bars:640", "write bars:WIDTHxHEIGHT@FPS"),
        ("smpte:640x360", "no such picture: 'smpte:640x360'"),
        ("bars:641x360", "even, not 641x360"),
        ("bars:64x36", "not 64x36"),
        ("bars@0", "not 0"),
        ("bars@30/0", "can't draw 'bars@30/0'"),
    ],
)
def test_pictures_that_cannot_be_are_refused_in_a_sentence(text: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        parse_video(text)


@pytest.mark.parametrize(
    ("text", "frequency", "beeps"),
    [
        (DEFAULT_AUDIO, 440.0, False),
        ("tone", 440.0, False),
        ("tone:1000.5", 1000.5, False),
        ("beep", 440.0, True),
        ("beep:220", 220.0, True),
    ],
)
def test_sound_is_described_by_kind_and_frequency(text: str, frequency: float, beeps: bool) -> None:
    tone = parse_audio(text)

    second = tone.frame(50).samples
    between = tone.frame(75).samples
    assert tone.frequency == frequency
    assert (abs(second).max() > 2 * abs(between).max()) == beeps


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "write tone:HZ or beep:HZ"),
        ("sine:440", "no such sound: 'sine:440'"),
        ("tone:-1", "no such sound"),
        ("tone:0", "between 0 and 24000 Hz, not 0"),
        ("beep:24000", "between 0 and 24000 Hz, not 24000"),
    ],
)
def test_sound_that_cannot_be_is_refused_in_a_sentence(text: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        parse_audio(text)
