"""What can be published without a file, as people write it on a command line."""

import re
from fractions import Fraction

from agent.errors import UsageError
from agent.tracks.pattern import Pattern
from agent.tracks.tone import Tone

DEFAULT_VIDEO = "bars:1280x720@30"
DEFAULT_AUDIO = "tone:440"

_TONE_AMPLITUDE = 0.25
_HUM_AMPLITUDE = 0.05
_BEEP_AMPLITUDE = 0.5

_VIDEO = re.compile(r"bars(?::(?P<width>\d+)x(?P<height>\d+))?(?:@(?P<fps>\d+(?:\.\d+|/\d+)?))?")
_AUDIO = re.compile(r"(?P<kind>tone|beep)(?::(?P<frequency>\d+(?:\.\d+)?))?")


def parse_video(text: str, *, source_id: int = 0) -> Pattern:
    """Return the pictures that ``text`` describes: ``bars``, ``bars:1280x720@29.97``.

    Without a size 1280x720, without a rate 30 pictures a second. 23.976, 29.97 and 59.94 are
    the NTSC rates, exactly.

    Raises:
        UsageError: If it describes none, or one that can't be drawn.
    """
    found = _VIDEO.fullmatch(text)
    if not found:
        message = f"no such picture: {text!r}; write bars:WIDTHxHEIGHT@FPS, say {DEFAULT_VIDEO}"
        raise UsageError(message)
    width, height = int(found["width"] or 1280), int(found["height"] or 720)
    try:
        return Pattern(width, height, _rate(found["fps"] or "30"), source_id=source_id)
    except (ValueError, ZeroDivisionError) as error:
        message = f"can't draw {text!r}: {error}"
        raise UsageError(message) from error


def parse_audio(text: str) -> Tone:
    """Return the sound that ``text`` describes: ``tone``, ``tone:440``, ``beep``, ``beep:220``.

    ``tone`` is a sine, of 440 Hz unless given. ``beep`` is a beep at each second, in step with
    the flash of the pictures, over a quiet sine of that frequency.

    Raises:
        UsageError: If it describes none, or one that 48 kHz can't carry.
    """
    found = _AUDIO.fullmatch(text)
    if not found:
        message = f"no such sound: {text!r}; write tone:HZ or beep:HZ, say {DEFAULT_AUDIO}"
        raise UsageError(message)
    frequency = float(found["frequency"] or 440)
    try:
        if found["kind"] == "beep":
            return Tone(frequency, amplitude=_HUM_AMPLITUDE, beep_amplitude=_BEEP_AMPLITUDE)
        return Tone(frequency, amplitude=_TONE_AMPLITUDE)
    except ValueError as error:
        message = f"can't play {text!r}: {error}"
        raise UsageError(message) from error


def _rate(text: str) -> Fraction:
    rate = Fraction(text)
    ntsc = Fraction(round(rate) * 1000, 1001)
    is_ntsc = rate.denominator > 1 and abs(rate - ntsc) < Fraction(1, 200)
    return ntsc if is_ntsc else rate
