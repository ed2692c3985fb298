"""Reading back what a test picture carries; see :class:`agent.tracks.pattern.Pattern`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.sync_marks import (
    CODE_AREA,
    CODE_COLUMNS,
    CODE_ROWS,
    FLASH_AREA,
    code_references,
    code_values,
)

_SAMPLES = 6
"""Pixels looked at in a cell, along each side of its inner half."""

_MIN_CONTRAST = 40.0
"""Between black and white, in levels of luma; a picture that has less shows something else."""

_MIN_CLEARNESS = 0.15
"""How far from the middle between black and white a cell must be, as a share of what lies
between them: a cell that is neither belongs to a damaged picture, or to two."""


@dataclass(frozen=True, slots=True)
class PatternReading:
    """What a picture said.

    Attributes:
        number: The picture's index in its source, modulo 2**32.
        source_id: Whose pattern it is, 0 to 255.
        flash: Whether the patch is lit.
    """

    number: int
    source_id: int
    flash: bool


def read_pattern(i420: NDArray[np.uint8]) -> PatternReading | None:
    """Return what a picture carries, or ``None`` if that can't be read with certainty.

    Args:
        i420: Shape ``(height * 3 // 2, width)``, as in :class:`~agent.media.VideoFrame`; the
            pattern fills the picture, at any size and aspect ratio.
    """
    width, height = i420.shape[1], i420.shape[0] * 2 // 3
    luma = i420[:height]
    ys = _inner(CODE_AREA.rows(height, CODE_ROWS))
    xs = _inner(CODE_AREA.columns(width, CODE_COLUMNS))
    looked = luma[np.ix_(ys, xs)].reshape(CODE_ROWS, _SAMPLES, CODE_COLUMNS, _SAMPLES)
    levels = looked.mean(axis=(1, 3), dtype=np.float32)

    black, white = code_references(levels)
    if white - black < _MIN_CONTRAST:
        return None
    signed = (levels - (black + white) / 2) / (white - black)
    if np.abs(signed).min() < _MIN_CLEARNESS:
        return None
    values = code_values(signed > 0)
    if values is None:
        return None
    flash = luma[np.ix_(_inner(FLASH_AREA.rows(height)), _inner(FLASH_AREA.columns(width)))]
    return PatternReading(*values, flash=bool(flash.mean() > (black + white) / 2))


def _inner(edges: list[int]) -> NDArray[np.intp]:
    """Return :data:`_SAMPLES` positions in the inner half of each part between two edges."""
    starts, ends = np.array(edges[:-1]), np.array(edges[1:])
    share = 0.25 + 0.5 * (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    return (starts[:, np.newaxis] + np.outer(ends - starts, share)).astype(np.intp).ravel()
