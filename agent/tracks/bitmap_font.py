"""Digits as dots, so that a picture can show a time without a font from somewhere."""

import numpy as np
from numpy.typing import NDArray

GLYPH_WIDTH = 6
GLYPH_HEIGHT = 7
"""In dots; the rightmost column is the gap to the next glyph."""

_ROWS = {
    "0": ".###. #...# #..## #.#.# ##..# #...# .###.",
    "1": "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.",
    "2": ".###. #...# ....# ...#. ..#.. .#... #####",
    "3": "##### ...#. ..#.. ...#. ....# #...# .###.",
    "4": "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
    "5": "##### #.... ####. ....# ....# #...# .###.",
    "6": "..##. .#... #.... ####. #...# #...# .###.",
    "7": "##### ....# ...#. ..#.. .#... .#... .#...",
    "8": ".###. #...# #...# .###. #...# #...# .###.",
    "9": ".###. #...# #...# .#### ....# ...#. .##..",
    ":": "..... ..#.. ..#.. ..... ..#.. ..#.. .....",
}


def glyphs(scale: int, paper: int, ink: int) -> dict[str, NDArray[np.uint8]]:
    """Return each character as a picture of ``scale`` pixels a dot, in levels of luma."""
    drawn = {}
    for character, rows in _ROWS.items():
        dots = [[dot == "#" for dot in f"{row}."] for row in rows.split()]
        levels = np.where(np.array(dots), ink, paper).astype(np.uint8)
        drawn[character] = levels.repeat(scale, axis=0).repeat(scale, axis=1)
    return drawn
