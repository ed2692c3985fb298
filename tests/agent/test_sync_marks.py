import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.sync_marks import CODE_AREA, CODE_COLUMNS, CODE_ROWS, code_cells, code_values

numbers = st.integers(0, 2**32 - 1)
source_ids = st.integers(0, 255)
places = st.tuples(st.integers(0, CODE_ROWS - 1), st.integers(0, CODE_COLUMNS - 1))


@given(number=numbers, source_id=source_ids)
def test_what_is_written_into_the_cells_is_read_back(number: int, source_id: int) -> None:
    assert code_values(code_cells(number, source_id)) == (number, source_id)


def test_the_number_wraps_after_32_bits() -> None:
    assert code_values(code_cells(2**32 + 5, 9)) == (5, 9)


@given(number=numbers, source_id=source_ids, wrong=st.sets(places, min_size=1, max_size=3))
def test_up_to_three_wrong_cells_are_always_noticed(
    number: int, source_id: int, wrong: set[tuple[int, int]]
) -> None:
    cells = code_cells(number, source_id)
    for place in wrong:
        cells[place] = not cells[place]

    assert code_values(cells) is None


def test_cells_at_random_are_taken_for_a_number_once_in_2_to_the_24() -> None:
    random = np.random.default_rng(1).integers(0, 2, (20_000, CODE_ROWS, CODE_COLUMNS))

    assert [cells for cells in random.astype(np.bool_) if code_values(cells)] == []


@given(width=st.integers(128, 3840))
def test_the_parts_of_an_area_cover_it_without_a_gap(width: int) -> None:
    edges = CODE_AREA.columns(width, CODE_COLUMNS)

    assert len(edges) == CODE_COLUMNS + 1
    assert edges[0] == round(CODE_AREA.left * width)
    assert min(np.diff(edges)) >= width // 20
