"""How far sound lies from pictures in a file that shows the test pattern and beeps in step."""

from pathlib import Path

import av
import numpy as np

from agent.handlers.beep_reader import beep_onsets
from agent.handlers.pattern_reader import read_pattern
from agent.recording.skew import Skew, measure_skew

LONGEST_S = 60.0
"""As much is looked at: it is enough to judge, and keeps memory bounded."""

FIRST_PICTURES = 15
"""If none of as many at the start is the pattern, the file has nothing of the kind."""


def skew_by_marks(path: Path) -> Skew | None:
    """Decode the start of a file and compare its flashes with its beeps; ``None`` without them."""
    with av.open(str(path)) as container:
        if not (container.streams.video and container.streams.audio):
            return None
        flashes = _flashes(container)
        container.seek(0)
        return measure_skew(flashes, _beeps(container)) if flashes else None


def _flashes(container: av.container.InputContainer) -> list[float]:
    """Return when the patch lights up: the first lit picture after one that isn't."""
    onsets: list[float] = []
    was_lit, is_pattern = True, False
    for number, picture in enumerate(container.decode(video=0)):
        if picture.time > LONGEST_S or (number >= FIRST_PICTURES and not is_pattern):
            break
        reading = read_pattern(np.asarray(picture.to_ndarray(format="yuv420p"), np.uint8))
        if reading is not None:
            is_pattern = True
            if reading.flash and not was_lit:
                onsets.append(picture.time)
            was_lit = reading.flash
    return onsets


def _beeps(container: av.container.InputContainer) -> list[float]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
    blocks, start_s = [], None
    for sound in container.decode(audio=0):
        if sound.time is None or sound.time > LONGEST_S:
            break
        start_s = sound.time if start_s is None else start_s
        blocks += [block.to_ndarray().reshape(-1) for block in resampler.resample(sound)]
    if start_s is None:
        return []
    return [start_s + onset for onset in beep_onsets(np.concatenate(blocks), 48_000)]
