import numpy as np

from agent.tracks.bitmap_font import GLYPH_HEIGHT, GLYPH_WIDTH, glyphs


def test_every_character_of_a_time_is_there_and_unlike_the_others() -> None:
    drawn = glyphs(1, 0, 1)

    assert set(drawn) == set("0123456789:")
    assert len({glyph.tobytes() for glyph in drawn.values()}) == 11


def test_a_glyph_is_scaled_in_whole_dots() -> None:
    small, large = glyphs(1, 16, 235)["7"], glyphs(3, 16, 235)["7"]

    assert large.shape == (3 * GLYPH_HEIGHT, 3 * GLYPH_WIDTH)
    np.testing.assert_array_equal(large[::3, ::3], small)
