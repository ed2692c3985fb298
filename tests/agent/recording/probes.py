"""What the tests of files ask of a file, and of the disk."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np

from agent.handlers.beep_reader import beep_onsets
from agent.handlers.pattern_reader import read_pattern
from agent.media import OPUS_CLOCK_RATE


def shown(path: Path) -> list[tuple[float, int]]:
    """Return when each picture is shown, and its number."""
    with av.open(str(path)) as container:
        found = []
        for picture in container.decode(video=0):
            reading = read_pattern(np.asarray(picture.to_ndarray(), np.uint8))
            found.append((round(picture.time, 3), -1 if reading is None else reading.number))
    return found


def heard(path: Path) -> list[float]:
    """Return when each beep begins."""
    with av.open(str(path)) as container:
        blocks = list(container.decode(audio=0))
    start = blocks[0].time or 0.0
    length = (blocks[-1].time or 0.0) - start + 1
    sound = np.zeros(round(length * OPUS_CLOCK_RATE), np.float32)
    for block in blocks:
        at = round(((block.time or 0.0) - start) * OPUS_CLOCK_RATE)
        sound[at : at + block.samples] = block.to_ndarray().mean(axis=0)
    onsets = beep_onsets(np.asarray(sound * 32767, np.int16), OPUS_CLOCK_RATE)
    return [start + onset for onset in onsets]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of ours grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
