import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recording.skew import measure_skew, p95

FLASHES = [1.0, 2.0, 3.0, 4.0]


def test_skew_is_how_far_sound_lies_behind() -> None:
    skew = measure_skew(FLASHES, [1.010, 2.020, 3.030, 4.040])

    assert skew is not None
    assert skew.median_ms == pytest.approx(25)
    assert skew.p95_ms == pytest.approx(40)
    assert (skew.pairs, skew.unpaired) == (4, 0)


def test_sound_that_comes_first_is_negative() -> None:
    skew = measure_skew(FLASHES, [0.98, 1.98, 2.98, 3.98])

    assert skew is not None
    assert skew.median_ms == pytest.approx(-20)
    assert skew.p95_ms == pytest.approx(20)


def test_what_has_no_partner_is_counted_and_spoils_nothing() -> None:
    skew = measure_skew(FLASHES, [1.01, 2.01, 4.01, 4.3])

    assert skew is not None
    assert skew.median_ms == pytest.approx(10)
    assert (skew.pairs, skew.unpaired) == (3, 2)


def test_sound_alone_before_and_after_lacks_nothing() -> None:
    skew = measure_skew([3.0, 4.0], [1.01, 2.01, 3.01, 4.01, 5.01, 6.01])

    assert skew is not None
    assert (skew.pairs, skew.unpaired) == (2, 0)


@pytest.mark.parametrize(("flashes", "beeps"), [([], [1.0]), ([1.0], []), ([1.0], [1.5])])
def test_there_may_be_nothing_to_compare(flashes: list[float], beeps: list[float]) -> None:
    assert measure_skew(flashes, beeps) is None


@given(
    seconds=st.sets(st.integers(0, 300), min_size=1),
    missing=st.sets(st.integers(0, 300)),
    offset_ms=st.integers(-400, 400),
    jitter=st.lists(st.integers(-20, 20), min_size=301, max_size=301),
)
def test_an_offset_is_found_whatever_is_missing(
    seconds: set[int], missing: set[int], offset_ms: int, jitter: list[int]
) -> None:
    beeps = [second + (offset_ms + jitter[second]) / 1000 for second in sorted(seconds - missing)]

    skew = measure_skew(sorted(seconds), beeps)

    if not beeps:
        assert skew is None
        return
    assert skew is not None
    assert skew.pairs == len(beeps)
    assert abs(skew.median_ms - offset_ms) <= 20 + 1e-6
    assert skew.p95_ms <= abs(offset_ms) + 20 + 1e-6


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_the_95th_percentile_is_a_magnitude_that_few_exceed(values: list[float]) -> None:
    limit = p95(values)

    assert limit in [abs(value) for value in values]
    assert sum(abs(value) > limit for value in values) <= 0.05 * len(values)
    assert sum(abs(value) >= limit for value in values) >= 0.05 * len(values)


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        p95([])
