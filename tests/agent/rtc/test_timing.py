import math
from itertools import accumulate, pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.media import VIDEO_CLOCK_RATE
from agent.rtc.timing import (
    DEADBAND_S,
    HELD_S,
    MAX_BEHIND_S,
    SLEW,
    STEP_S,
    WINDOW_S,
    AudioTimeline,
    CaptureStamps,
    SoundSchedule,
    VideoTimeline,
)

UNHURRIED = settings(deadline=None)  # on a busy machine the time says nothing

RATE = 48_000
FRAME = 960
FRAME_S = FRAME / RATE


def placed(arrivals: list[float]) -> list[int]:
    timeline = AudioTimeline(RATE)
    return [timeline.place(FRAME, arrival) for arrival in arrivals]


def steady(number: int, start: float = 100.0) -> list[float]:
    return [start + (index + 1) * FRAME_S for index in range(number)]


def test_a_frame_ends_as_long_before_its_arrival_as_the_jitter_buffer_held_it() -> None:
    assert placed([100.0]) == [round((100.0 - HELD_S - FRAME_S) * RATE)]


def test_sound_that_arrives_steadily_has_no_hole() -> None:
    found = placed(steady(500))

    assert all(later - earlier == FRAME for earlier, later in pairwise(found))


def late_arrivals(seed: int, worst: float) -> list[float]:
    chance = Random(seed)
    return list(accumulate((at + chance.uniform(0, worst) for at in steady(600)), max))


@UNHURRIED
@given(st.integers(), st.floats(0, 0.4))
def test_late_arrivals_move_the_sound_by_no_more_than_the_slew(seed: int, worst: float) -> None:
    found = placed(late_arrivals(seed, worst))

    most = SLEW * FRAME + 2  # and rounding
    assert all(abs(later - earlier - FRAME) <= most for earlier, later in pairwise(found))


@UNHURRIED
@given(st.integers(), st.floats(0, 5))
def test_times_always_rise(seed: int, worst: float) -> None:
    found = placed(late_arrivals(seed, worst))

    assert all(earlier < later for earlier, later in pairwise(found))


def test_a_late_first_frame_is_made_up_for() -> None:
    arrivals = steady(3000)
    arrivals[0] += 0.1
    off = placed(arrivals)[-1] / RATE - (arrivals[-1] - HELD_S - FRAME_S)

    assert abs(off) <= DEADBAND_S + 1 / RATE


def test_a_sender_whose_clock_runs_fast_is_followed() -> None:
    drift = 200e-6
    arrivals = [100.0 + (index + 1) * FRAME_S * (1 - drift) for index in range(10_000)]
    off = placed(arrivals)[-1] / RATE - (arrivals[-1] - HELD_S - FRAME_S)

    assert abs(off) <= DEADBAND_S + drift * WINDOW_S + 1 / RATE


def test_a_burst_after_a_stall_of_ours_moves_nothing() -> None:
    before, during, after = steady(200), steady(300)[200:], steady(500)[300:]
    found = placed(before + [during[-1]] * len(during) + after)

    assert all(later - earlier == FRAME for earlier, later in pairwise(found))


def test_sound_that_is_missing_for_good_leaves_one_hole_of_its_length() -> None:
    hole = 3.0
    found = placed(steady(200) + steady(200, start=100.0 + 200 * FRAME_S + hole))
    holes = [later - earlier - FRAME for earlier, later in pairwise(found)]

    assert [round(gap / RATE, 2) for gap in holes if gap] == [hole]


def test_sound_a_little_late_for_a_moment_is_no_hole() -> None:
    arrivals = steady(400)
    arrivals[200:210] = [at + 1.5 * STEP_S for at in arrivals[200:210]]
    found = placed(arrivals)

    assert all(later - earlier == FRAME for earlier, later in pairwise(found))


@UNHURRIED
@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-20, 2)), min_size=1))
def test_pictures_always_rise_and_stay_near_the_clock(stamps: list[tuple[float, float]]) -> None:
    timeline = VideoTimeline()
    arrivals = sorted(arrival for arrival, _ in stamps)
    found = [
        timeline.place(arrival + off, arrival)
        for arrival, (_, off) in zip(arrivals, stamps, strict=True)
    ]

    assert all(earlier < later for earlier, later in pairwise(found))
    assert all(
        pts / VIDEO_CLOCK_RATE >= arrival - MAX_BEHIND_S - 1
        for pts, arrival in zip(found, arrivals, strict=True)
    )


def test_a_sensible_stamp_is_believed() -> None:
    assert VideoTimeline().place(100.009, arrival=100.0) == round(100.009 * VIDEO_CLOCK_RATE)


def test_a_stamp_of_another_clock_is_not() -> None:
    assert VideoTimeline().place(1.0, arrival=100.0) == 100 * VIDEO_CLOCK_RATE
    assert VideoTimeline().place(1e9, arrival=100.0) == 100 * VIDEO_CLOCK_RATE


def test_pictures_sent_unevenly_are_stamped_evenly() -> None:
    stamps = CaptureStamps()
    late = [0.0, 0.004, 0.001, 0.02, 0.0]
    found = [
        stamps.stamp(number / 30, now=100 + number / 30 + delay)
        for number, delay in enumerate(late)
    ]

    steps = [later - earlier for earlier, later in pairwise(found)]
    assert all(math.isclose(step, 1 / 30, abs_tol=1e-6) for step in steps)


@UNHURRIED
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1))
def test_no_picture_is_stamped_in_the_future_or_before_the_last(
    sent: list[tuple[float, float]],
) -> None:
    stamps = CaptureStamps()
    last, now = -math.inf, 1000.0
    for media_time, wait in sent:
        now += wait + 1e-3
        found = stamps.stamp(media_time, now)
        assert last < found <= now + 1e-5
        last = found


def test_sound_begins_after_as_much_silence_as_there_is_lead() -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=0.5)
    turn = schedule.next(0, FRAME, now=10.0)

    assert (turn.silence, turn.skip) == (1440, 0)
    assert math.isclose(schedule.due, 10.05)


def test_sound_late_by_less_than_the_lead_is_sent_whole() -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=0.5)
    schedule.next(0, FRAME, now=10.0)
    turn = schedule.next(FRAME, FRAME, now=10.049)

    assert (turn.silence, turn.skip) == (0, 0)


def test_what_was_due_while_the_queue_was_empty_is_left_out() -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=0.5)
    schedule.next(0, FRAME, now=10.0)
    skips = [schedule.next(number * FRAME, FRAME, now=10.1).skip for number in range(1, 5)]

    assert skips == [960, 960, 480, 0]


def test_what_the_sender_has_left_out_already_is_not_left_out_again() -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=0.5)
    schedule.next(0, FRAME, now=10.0)
    turns = [
        schedule.next(number * FRAME, FRAME, now=10.0 + number * FRAME_S) for number in range(6, 9)
    ]

    assert [turn.skip for turn in turns] == [0, 0, 0]
    assert [turn.silence for turn in turns] == [1440, 0, 0]
    assert math.isclose(schedule.due, 10.03 + 9 * FRAME_S)


def test_a_hole_in_the_sound_is_played_as_silence() -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=0.5)
    schedule.next(0, FRAME, now=10.0)
    turn = schedule.next(3 * FRAME, FRAME, now=10.01)

    assert (turn.silence, turn.skip) == (2 * FRAME, 0)


def test_after_a_pause_sound_begins_anew() -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=0.5)
    schedule.next(0, FRAME, now=10.0)
    turn = schedule.next(FRAME, FRAME, now=20.0)

    assert (turn.silence, turn.skip) == (1440, 0)


def test_other_sound_that_starts_at_its_own_zero_begins_after_what_is_queued() -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=0.5)
    schedule.next(0, FRAME, now=10.0)
    turn = schedule.next(0, FRAME, now=10.0)

    assert (turn.silence, turn.skip) == (1440, 0)
    assert math.isclose(schedule.due, 10.05 + 0.03 + FRAME_S)


@UNHURRIED
@given(st.lists(st.floats(0, 0.6), min_size=1, max_size=200))
def test_a_paced_track_never_falls_behind_its_schedule(late: list[float]) -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=10.0)
    now = 10.0
    schedule.next(0, FRAME, now)
    for number, delay in enumerate(late, start=1):
        now = max(now, 10.0 + number * FRAME_S + delay)
        schedule.next(number * FRAME, FRAME, now)

        planned = 10.0 + 0.03 + (number + 1) * FRAME_S
        assert math.isclose(schedule.due, planned, abs_tol=1e-6)


@UNHURRIED
@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_whatever_is_left_out_each_sample_is_queued_for_its_own_time(kept: list[bool]) -> None:
    schedule = SoundSchedule(RATE, lead_s=0.03, pause_s=10.0)
    schedule.next(0, FRAME, now=10.0)
    queued_until = 10.03 + FRAME_S
    for number in (n for n, is_kept in enumerate(kept, start=1) if is_kept):
        now = 10.0 + number * FRAME_S
        turn = schedule.next(number * FRAME, FRAME, now)
        begins = max(queued_until, now) + turn.silence / RATE
        queued_until = begins + (FRAME - turn.skip) / RATE

        assert math.isclose(begins, now + 0.03 + turn.skip / RATE, abs_tol=1e-4)
