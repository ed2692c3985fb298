import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rtc.lip_sync import MOST_S, SLEW, USUAL_S, JitterBuffer, LipSync


def test_a_jitter_buffer_tells_the_mean_of_what_it_let_go_of_since_it_was_asked() -> None:
    buffer = JitterBuffer()
    buffer.update(10.0, 100)

    assert buffer.update(10.0 + 50 * 0.2, 150) == pytest.approx(0.2)
    assert buffer.update(20.0 + 50 * 0.1, 200) == pytest.approx(0.1)


def test_how_a_jitter_buffer_filled_at_its_beginning_says_nothing() -> None:
    assert JitterBuffer().update(10.0, 100) is None


@pytest.mark.parametrize(
    ("held_s", "count"),
    [(10.0, 100), (3.0, 40), (9.0, 150), (10.0 + 51 * MOST_S, 150)],
    ids=["nothing new", "a new buffer", "less than before", "longer than believable"],
)
def test_a_jitter_buffer_that_tells_nothing_new_tells_nothing(held_s: float, count: int) -> None:
    buffer = JitterBuffer()
    buffer.update(10.0, 100)

    assert buffer.update(held_s, count) is None


def test_after_a_new_beginning_a_jitter_buffer_tells_again() -> None:
    buffer = JitterBuffer()
    buffer.update(10.0, 100)
    buffer.update(3.0, 10)

    assert buffer.update(5.0, 30) == pytest.approx(0.1)


def test_pictures_stay_where_they_are_until_something_is_known() -> None:
    sync = LipSync()
    sync.update(0.2, None)
    sync.update(None, 0.01)

    assert [sync.shift(now) for now in (0.0, 1.0, 2.0)] == [0.0, 0.0, 0.0]


def test_on_a_quiet_machine_pictures_are_not_moved() -> None:
    sync = LipSync()
    sync.update(0.04, 0.04 - USUAL_S)

    assert sync.shift(1.0) == pytest.approx(0.0)


@given(
    held=st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.2)), min_size=1, max_size=20),
    steps=st.lists(st.floats(0.001, 0.2), min_size=2, max_size=50),
)
def test_pictures_keep_their_order_and_nearly_their_distance(
    held: list[tuple[float, float]], steps: list[float]
) -> None:
    sync = LipSync()
    sync.update(*held[0])
    now, before = 0.0, sync.shift(0.0)
    for index, step in enumerate(steps):
        sync.update(*held[index % len(held)])
        now += step
        shift = sync.shift(now)
        assert abs(shift - before) <= SLEW * step + 1e-9
        before = shift


def test_pictures_reach_their_sound() -> None:
    sync = LipSync()
    sync.update(0.04, 0.01)
    sync.shift(0.0)
    sync.update(0.24, 0.02)

    shifts = [sync.shift(index / 30) for index in range(1, 90)]

    assert shifts[-1] == pytest.approx(0.22 - USUAL_S)
    assert shifts == sorted(shifts)
