"""What the tests of files ask of a file, and of the disk."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np

from agent.handlers.pattern_reader import read_pattern
from tests.perceive import listen


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
    sound = listen(path)
    return sound.beeps() if sound else []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of ours grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
