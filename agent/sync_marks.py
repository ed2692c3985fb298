"""What a test picture and a test tone carry for a machine to find again.

The picture carries its number and its source in a field of black and white cells, and a patch
that lights up when a second begins. The sound beeps at the same moment. All of it is placed
relative to the size of the picture, so that it survives scaling, and coarse, so that it
survives an encoder that is short of bits.
"""

import binascii
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLASH_S = 0.1
"""How long the patch is lit, from the start of each whole second of media time."""

BEEP_S = 0.1
BEEP_HZ = 1000.0
BEEP_RAMP_S = 0.002
"""A beep starts with the second; its first and last part swell and fade in a straight line."""

CODE_ROWS = 4
CODE_COLUMNS = 16
_PAYLOAD_BYTES = 5
# The outer columns are the same in every picture: each row has one cell known to be white
# and one known to be black, and whatever isn't a code is unlikely to have both.
_LEFT = np.array([True, False, True, False])


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in fractions of the picture's width and height."""

    left: float
    top: float
    width: float
    height: float

    def columns(self, picture_width: int, parts: int = 1) -> list[int]:
        """Return the ``parts + 1`` x positions, in pixels, that divide it evenly."""
        return [
            round((self.left + self.width * part / parts) * picture_width)
            for part in range(parts + 1)
        ]

    def rows(self, picture_height: int, parts: int = 1) -> list[int]:
        """Return the ``parts + 1`` y positions, in pixels, that divide it evenly."""
        return [
            round((self.top + self.height * part / parts) * picture_height)
            for part in range(parts + 1)
        ]


CODE_AREA = Area(1 / 32, 0.745, 15 / 16, 0.245)
FLASH_AREA = Area(0.75, 0.585, 0.22, 0.145)


def code_cells(number: int, source_id: int) -> NDArray[np.bool_]:
    """Return the cells, ``True`` for white, shape ``(CODE_ROWS, CODE_COLUMNS)``.

    Args:
        number: Counted modulo 2**32.
        source_id: 0 to 255.
    """
    payload = (number % 2**32).to_bytes(4, "big") + source_id.to_bytes(1, "big")
    word = payload + binascii.crc_hqx(payload, 0xFFFF).to_bytes(2, "big")
    cells = np.empty((CODE_ROWS, CODE_COLUMNS), np.bool_)
    cells[:, 0] = _LEFT
    cells[:, -1] = ~_LEFT
    cells[:, 1:-1] = np.unpackbits(np.frombuffer(word, np.uint8)).reshape(CODE_ROWS, -1)
    return cells


def code_values(cells: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return number and source of :func:`code_cells`; ``None`` if they are damaged."""
    if (cells[:, 0] != _LEFT).any() or (cells[:, -1] != ~_LEFT).any():
        return None
    word = np.packbits(cells[:, 1:-1]).tobytes()
    payload, check = word[:_PAYLOAD_BYTES], word[_PAYLOAD_BYTES:]
    if binascii.crc_hqx(payload, 0xFFFF) != int.from_bytes(check, "big"):
        return None
    return int.from_bytes(payload[:4], "big"), payload[4]


def code_references(levels: NDArray[np.float32]) -> tuple[float, float]:
    """Return what black and what white looks like, given the mean level of each cell."""
    white = np.concatenate([levels[_LEFT, 0], levels[~_LEFT, -1]])
    black = np.concatenate([levels[~_LEFT, 0], levels[_LEFT, -1]])
    return float(black.mean()), float(white.mean())
