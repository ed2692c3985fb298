"""A test picture: colour bars, and a time that people and machines can read."""

import binascii
import colorsys
import itertools
from collections.abc import AsyncIterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from agent.media import VIDEO_CLOCK_RATE, VideoFrame
from agent.sync_marks import (
    CODE_AREA,
    CODE_COLUMNS,
    CODE_ROWS,
    FLASH_AREA,
    FLASH_S,
    Area,
    code_cells,
)
from agent.tracks.bitmap_font import GLYPH_HEIGHT, GLYPH_WIDTH, glyphs

MIN_WIDTH, MIN_HEIGHT = 128, 72
MAX_WIDTH, MAX_HEIGHT = 3840, 2160
MAX_FPS = 100
"""More, and the number of a picture within its second needs a third digit."""

_BLACK, _WHITE, _NEUTRAL = 16, 235, 128
_BARS = Area(0, 0, 1, 0.46)
_BAND = Area(0, 0.46, 1, 0.11)
_CLOCK = Area(0.03, 0.585, 0.70, 0.145)
_CLOCK_GLYPHS = len("00:00:00:00")
_MARKER_SHARE = 16
_MARKER_ROUND_S = 4


def source_id(identity: str) -> int:
    """Return the number, 0 to 255, under which the pattern of ``identity`` goes."""
    return binascii.crc32(identity.encode()) % 256


class Pattern:
    """Endless pictures of colour bars with a moving marker, a clock, a flash and a number.

    Picture *n* is a function of *n* alone. The flash comes with the first picture of each
    second, in step with the beep of :class:`~agent.tracks.tone.Tone`, and
    :func:`~agent.handlers.pattern_reader.read_pattern` reads the number back. The clock shows
    hours, minutes, seconds of media time and the picture's number within its second.
    """

    def __init__(
        self, width: int, height: int, fps: Fraction | int = 30, *, source_id: int = 0
    ) -> None:
        """Draw at this size; ``source_id`` gives the colour of the band.

        Raises:
            ValueError: If the size is odd, or anything out of bounds.
        """
        if not (MIN_WIDTH <= width <= MAX_WIDTH and MIN_HEIGHT <= height <= MAX_HEIGHT):
            bounds = f"{MIN_WIDTH}x{MIN_HEIGHT} and {MAX_WIDTH}x{MAX_HEIGHT}"
            message = f"a pattern is between {bounds} in size, not {width}x{height}"
            raise ValueError(message)
        if width % 2 or height % 2:
            message = f"width and height of a pattern are even, not {width}x{height}"
            raise ValueError(message)
        if not 1 <= fps <= MAX_FPS:
            message = f"a pattern has 1 to {MAX_FPS} pictures a second, not {float(fps):g}"
            raise ValueError(message)
        if source_id not in range(256):
            message = f"a pattern's source is a number from 0 to 255, not {source_id}"
            raise ValueError(message)
        self.width = width
        self.height = height
        self.fps = Fraction(fps)
        self.source_id = source_id
        self._background = _background(width, height, source_id)
        self._flash = _slices(FLASH_AREA, width, height)
        self._code_rows = CODE_AREA.rows(height, CODE_ROWS)
        code_columns = CODE_AREA.columns(width, CODE_COLUMNS)
        self._code_span = slice(code_columns[0], code_columns[-1])
        self._code_cell_at = np.repeat(np.arange(CODE_COLUMNS), np.diff(code_columns))
        clock = _slices(_CLOCK, width, height)
        self._clock_left, self._clock_top = clock[1].start, clock[0].start
        self._glyph_scale = min(
            (clock[1].stop - clock[1].start) // (_CLOCK_GLYPHS * GLYPH_WIDTH),
            (clock[0].stop - clock[0].start) // GLYPH_HEIGHT,
        )
        self._glyphs = glyphs(self._glyph_scale, _BLACK, _WHITE)

    def frame(self, index: int) -> VideoFrame:
        """Return picture ``index``, counted from 0; the array is the caller's alone."""
        ticks_per_picture = VIDEO_CLOCK_RATE / self.fps
        i420 = self._background.copy()
        luma = i420[: self.height]
        second, in_second = self._position(index)
        self._draw_marker(luma, index)
        self._draw_clock(luma, second, in_second)
        if self.flashes(index):
            luma[self._flash] = _WHITE
        self._draw_code(luma, index)
        return VideoFrame(i420, round(index * ticks_per_picture))

    def flashes(self, index: int) -> bool:
        """Return whether the patch is lit in picture ``index``."""
        second, in_second = self._position(index)
        return in_second == 0 or index / self.fps - second < FLASH_S

    def _position(self, index: int) -> tuple[int, int]:
        """Return the second that picture ``index`` lies in, and its place in that second."""
        second = index * self.fps.denominator // self.fps.numerator
        first = -(-second * self.fps.numerator // self.fps.denominator)
        return second, index - first

    def _draw_marker(self, luma: NDArray[np.uint8], index: int) -> None:
        rows, _ = _slices(_BAND, self.width, self.height)
        size = self.width // _MARKER_SHARE
        turn = (index * self.fps.denominator) % (_MARKER_ROUND_S * self.fps.numerator)
        left = turn * (self.width - size) // (_MARKER_ROUND_S * self.fps.numerator)
        luma[rows, left : left + size] = _WHITE

    def _draw_clock(self, luma: NDArray[np.uint8], second: int, in_second: int) -> None:
        minutes, seconds = divmod(second, 60)
        hours, minutes = divmod(minutes, 60)
        text = f"{hours % 100:02d}:{minutes:02d}:{seconds:02d}:{in_second:02d}"
        bottom = self._clock_top + GLYPH_HEIGHT * self._glyph_scale
        for place, character in enumerate(text):
            left = self._clock_left + place * GLYPH_WIDTH * self._glyph_scale
            right = left + GLYPH_WIDTH * self._glyph_scale
            luma[self._clock_top : bottom, left:right] = self._glyphs[character]

    def _draw_code(self, luma: NDArray[np.uint8], index: int) -> None:
        cells = np.where(code_cells(index, self.source_id), _WHITE, _BLACK).astype(np.uint8)
        for row, (top, bottom) in enumerate(itertools.pairwise(self._code_rows)):
            luma[top:bottom, self._code_span] = cells[row, self._code_cell_at]

    async def __aiter__(self) -> AsyncIterator[VideoFrame]:
        for index in itertools.count():
            yield self.frame(index)


def _background(width: int, height: int, source: int) -> NDArray[np.uint8]:
    """Return what is the same in every picture, as I420."""
    y = np.full((height, width), _BLACK, np.uint8)
    u = np.full((height // 2, width // 2), _NEUTRAL, np.uint8)
    v = u.copy()

    def fill(rows: slice, columns: slice, rgb: tuple[float, float, float]) -> None:
        half_rows = slice((rows.start + 1) // 2, rows.stop // 2)
        half_columns = slice((columns.start + 1) // 2, (columns.stop + 1) // 2)
        y[rows, columns], u[half_rows, half_columns], v[half_rows, half_columns] = _studio(*rgb)

    bars, _ = _slices(_BARS, width, height)
    edges = _BARS.columns(width, 8)
    for bar, (left, right) in enumerate(itertools.pairwise(edges)):
        bits = 7 - bar  # white, yellow, cyan, green, magenta, red, blue, black
        rgb = (0.75 * (bits >> 1 & 1), 0.75 * (bits >> 2), 0.75 * (bits & 1))
        fill(bars, slice(left, right), rgb)
    # Steps of the golden angle: any few sources get hues far from each other.
    hue = colorsys.hsv_to_rgb(source * 0.618034 % 1, 0.9, 0.6)
    fill(*_slices(_BAND, width, height), hue)
    return np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(-1, width)


def _studio(red: float, green: float, blue: float) -> tuple[int, int, int]:
    """Return Y, U, V in the 16 to 235 range (BT.601), from 0 to 1 each."""
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(_BLACK + 219 * luma),
        round(_NEUTRAL + 224 * (blue - luma) / 1.772),
        round(_NEUTRAL + 224 * (red - luma) / 1.402),
    )


def _slices(area: Area, width: int, height: int) -> tuple[slice, slice]:
    return slice(*area.rows(height)), slice(*area.columns(width))
