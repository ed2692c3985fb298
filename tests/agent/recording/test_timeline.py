from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.recording.manifest import GapReason
from agent.recording.timeline import (
    BLACK_EVERY_S,
    DEADBAND_S,
    MAX_STRETCH,
    PAUSE_S,
    SAMPLE_RATE,
    SETTLE_S,
    STALL_S,
    STEP_S,
    AudioPlacement,
    AudioTimeline,
    TrackLog,
    VideoTimeline,
)

BLOCK = 480
BLOCK_S = BLOCK / SAMPLE_RATE
TICK_S = 0.5


class Tape:
    """Writes what an audio timeline says, as the file does."""

    def __init__(self) -> None:
        self.timeline = AudioTimeline()
        self.timeline.log.subscribed("TR_1")
        self.written = 0
        self.errors_s: list[float] = []
        self.placements: list[AudioPlacement] = []

    def block(self, time_s: float, samples: int = BLOCK, *, silent: bool = False) -> AudioPlacement:
        before = self.timeline.written_s
        started = self.timeline.start_s is not None
        placement = self.timeline.place(time_s, samples, silent=silent)
        assert min(placement.silence, placement.skip) >= 0
        assert placement.skip <= samples
        assert not (placement.silence and placement.skip)
        kept = samples - placement.skip
        if kept:
            start_s = before if started else self.timeline.start_s or 0.0
            heard_s = start_s + placement.silence / SAMPLE_RATE
            self.errors_s.append(heard_s - (time_s + placement.skip / SAMPLE_RATE))
        self.written += placement.silence + kept + placement.stretch
        self.placements.append(placement)
        return placement

    def fill(self, now_s: float) -> int:
        silence = self.timeline.fill(now_s)
        assert silence >= 0
        self.written += silence
        return silence

    def talk(self, start_s: float, seconds: float, *, silent: bool = False) -> float:
        """Play blocks without a hole; return when the last one ends."""
        count = round(seconds / BLOCK_S)
        for index in range(count):
            self.block(start_s + index * BLOCK_S, silent=silent)
        return start_s + count * BLOCK_S

    @property
    def length_s(self) -> float:
        return self.written / SAMPLE_RATE

    @property
    def gaps(self) -> list[tuple[float, float, GapReason]]:
        return [(gap.start_s, gap.end_s, gap.reason) for gap in self.timeline.log.gaps]


# Sound


def test_sound_in_time_is_written_as_it_is() -> None:
    tape = Tape()
    end_s = tape.talk(3.0, 2.0)

    assert set(tape.placements) == {AudioPlacement()}
    assert tape.timeline.start_s == 3.0
    assert tape.timeline.written_s == pytest.approx(end_s)
    assert tape.timeline.log.frames == 200
    assert [(s.sid, s.start_s, s.end_s) for s in tape.timeline.log.segments] == [("TR_1", 3.0, 5.0)]


def test_a_hole_in_the_sound_is_silent_and_a_gap() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    tape.talk(1.5, 0.5)

    assert tape.gaps == [(1.0, 1.5, GapReason.LOST)]
    assert tape.length_s == pytest.approx(2.0)


def test_sound_that_is_a_little_off_is_not_cut_but_slewed() -> None:
    tape = Tape()
    end_s = tape.talk(0.0, 1.0)
    tape.talk(end_s + 0.03, 15.0)

    assert tape.gaps == []
    assert all(not it.silence and not it.skip for it in tape.placements)
    assert tape.errors_s[100] == pytest.approx(-0.03)
    assert abs(tape.errors_s[-1]) <= DEADBAND_S + 1 / SAMPLE_RATE


def test_sound_from_before_the_recording_is_left_out() -> None:
    tape = Tape()
    tape.talk(-0.2, 1.0)

    assert tape.timeline.start_s == 0
    assert tape.timeline.log.start_s == 0
    assert tape.length_s == pytest.approx(0.8, abs=STEP_S)


def test_a_block_that_comes_twice_is_heard_once() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)

    assert tape.block(0.5).skip == BLOCK
    assert tape.length_s == pytest.approx(1.0)
    assert tape.timeline.log.frames == 100


def test_an_empty_block_changes_nothing() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)

    assert tape.block(1.02, samples=0) == AudioPlacement()
    assert tape.length_s == pytest.approx(1.0)


def test_a_muted_tracks_made_up_silence_is_nothing() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    tape.timeline.log.interrupt(1.0, GapReason.MUTED)
    tape.talk(1.0, 2.0, silent=True)
    tape.fill(3.0)
    tape.timeline.log.resume()
    tape.talk(3.0, 1.0)

    assert tape.gaps == [(1.0, 3.0, GapReason.MUTED)]
    assert tape.length_s == pytest.approx(4.0)


def test_a_track_that_begins_muted_begins_with_its_first_sound() -> None:
    tape = Tape()
    tape.timeline.log.interrupt(0.0, GapReason.MUTED)
    tape.talk(0.0, 2.0, silent=True)
    assert tape.fill(2.0) == 0
    tape.timeline.log.resume()
    tape.talk(2.0, 1.0)

    assert tape.timeline.start_s == 2.0
    assert tape.timeline.log.start_s == 2.0
    assert tape.gaps == []


def test_a_real_silence_is_sound() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0, silent=True)

    assert tape.length_s == pytest.approx(1.0)
    assert tape.gaps == []


def test_sound_that_goes_on_although_the_signalling_is_cut_is_kept() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    tape.timeline.log.interrupt(1.0, GapReason.RECONNECTING)
    for second in range(3):
        end_s = tape.talk(1.0 + second, 1.0)
        assert tape.fill(end_s) == 0
    tape.timeline.log.resume()
    tape.talk(4.0, 1.0)

    assert tape.gaps == []
    assert tape.timeline.log.frames == 500


def test_what_still_comes_through_the_jitter_buffer_moves_the_gaps_start() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    tape.timeline.log.interrupt(0.9, GapReason.UNPUBLISHED)
    tape.talk(1.0, 0.2)
    tape.fill(5.0)
    tape.timeline.log.subscribed("TR_2")
    tape.talk(5.0, 1.0)

    assert tape.gaps == [(1.2, 5.0, GapReason.UNPUBLISHED)]
    assert [segment.sid for segment in tape.timeline.log.segments] == ["TR_1", "TR_2"]


def test_sound_that_just_stops_is_waited_for_a_second_and_then_lost() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)

    assert tape.fill(1.0 + STALL_S) == 0
    assert tape.fill(1.0 + STALL_S + 0.5) == pytest.approx(
        (STALL_S + 0.5 - SETTLE_S) * SAMPLE_RATE, abs=1
    )
    tape.talk(4.0, 1.0)
    assert tape.gaps == [(1.0, 4.0, GapReason.LOST)]


def test_a_track_that_has_not_begun_is_not_filled() -> None:
    tape = Tape()
    assert tape.fill(100.0) == 0

    tape.timeline.log.interrupt(100.0, GapReason.MUTED)
    assert tape.fill(200.0) == 0


@pytest.mark.parametrize("first", [None, GapReason.MUTED, GapReason.UNPUBLISHED])
def test_who_has_left_is_not_waited_for(first: GapReason | None) -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    if first:
        tape.timeline.log.interrupt(1.0, first)
    tape.timeline.log.interrupt(1.0, GapReason.LEFT)

    assert tape.fill(3600.0) == 0


def test_who_comes_back_finds_their_place() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    tape.timeline.log.interrupt(1.0, GapReason.LEFT)
    tape.fill(60.0)
    tape.timeline.log.subscribed("TR_2")
    tape.talk(61.0, 1.0)
    tape.timeline.log.interrupt(62.0, GapReason.MUTED)

    assert tape.length_s == pytest.approx(62.0)
    assert tape.gaps == [(1.0, 61.0, GapReason.LEFT)]
    assert tape.fill(70.0) > 0


def test_lateness_is_measured_once_a_second() -> None:
    tape = Tape()
    tape.talk(0.0, 10.0)

    assert len(tape.timeline.offsets_ms) == 9
    assert max(map(abs, tape.timeline.offsets_ms)) < 0.1


def test_lateness_is_positive_when_sound_is_written_late() -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    tape.talk(1.0 - 0.03, 0.5)

    assert tape.timeline.offsets_ms[-1] == pytest.approx(30, abs=5)


# What may happen to a microphone: seconds of each, jitter and delay in milliseconds
talking = st.tuples(st.just("talk"), st.integers(1, 150), st.integers(0, 20), st.integers(0, 300))
muted = st.tuples(st.just("mute"), st.integers(1, 300), st.booleans(), st.integers(0, 200))
stalled = st.tuples(st.just("stall"), st.integers(1, 300), st.none(), st.none())
story = st.lists(st.one_of(talking, muted, stalled), min_size=1, max_size=8)


class Microphone:
    """Plays a story to a tape on a clock with ticks, and remembers what was done."""

    def __init__(self, start_s: float, drift: float) -> None:
        self.tape = Tape()
        self.start_s = self.now_s = start_s
        self.drift = drift
        self.tick_s = start_s
        self.silences: list[tuple[float, float]] = []
        self.talked = False

    def run(self, steps: list[tuple[str, int, object, object]], jitter: list[float]) -> None:
        for number, (what, blocks, detail, delay_ms) in enumerate(steps):
            begin_s = self.now_s
            if what == "talk":
                self._talk(blocks, jitter, number, float(delay_ms or 0) / 1000)  # type: ignore[arg-type]
                continue
            if what == "mute":
                self.tape.timeline.log.interrupt(begin_s, GapReason.MUTED)
            for index in range(blocks):
                if what == "mute" and detail:
                    self.tape.block(begin_s + index * BLOCK_S, silent=True)
                self._pass(begin_s + (index + 1) * BLOCK_S)
            self.tape.timeline.log.resume()
            self._silent(begin_s, self.now_s)

    def _talk(self, blocks: int, jitter: list[float], number: int, delay_s: float) -> None:
        """Blocks come in bursts: each so many that they make up ``delay_s``."""
        begin_s = self.now_s
        self.talked = True
        waiting: list[float] = []
        for index in range(blocks):
            wobble_s = jitter[(number * 7 + index) % len(jitter)]
            waiting.append(begin_s + index * BLOCK_S * (1 + self.drift) + wobble_s)
            self._pass(begin_s + (index + 1) * BLOCK_S)
            if len(waiting) * BLOCK_S > min(delay_s, SETTLE_S - 0.03):
                self._play(waiting)
        self._play(waiting)

    def _play(self, waiting: list[float]) -> None:
        for time_s in waiting:
            self.tape.block(time_s)
        waiting.clear()

    def _pass(self, now_s: float) -> None:
        self.now_s = now_s
        while self.tick_s + TICK_S <= now_s:
            self.tick_s += TICK_S
            before = self.tape.timeline.written_s
            if self.tape.fill(self.tick_s):
                assert self.tape.timeline.written_s <= self.tick_s - SETTLE_S + 1 / SAMPLE_RATE
                assert self.tape.timeline.written_s > before

    def _silent(self, start_s: float, end_s: float) -> None:
        if not self.talked:
            return
        if self.silences and abs(self.silences[-1][1] - start_s) < 1e-6:
            self.silences[-1] = (self.silences[-1][0], end_s)
        else:
            self.silences.append((start_s, end_s))


@given(
    story,
    st.floats(0, 100),
    st.lists(st.floats(-0.01, 0.01), min_size=1, max_size=20),
    st.sampled_from([-0.0005, 0.0, 0.0005]),
)
def test_sound_keeps_its_place_whatever_happens_to_the_microphone(
    steps: list[tuple[str, int, object, object]], start_s: float, jitter: list[float], drift: float
) -> None:
    assume(any(step[0] == "talk" for step in steps))
    microphone = Microphone(start_s, drift)
    microphone.run([*steps, ("talk", 100, 0, 0)], jitter)
    tape = microphone.tape
    timeline = tape.timeline

    # What was written is exactly what the timeline believes, and as long as it took.
    assert timeline.start_s is not None
    assert timeline.written_s - timeline.start_s == pytest.approx(tape.length_s, abs=1e-6)
    assert abs(timeline.written_s - microphone.now_s) <= STEP_S + 0.02
    # No block is further from its time than what is let pass.
    assert max(map(abs, tape.errors_s)) <= STEP_S + 2 / SAMPLE_RATE
    # Each silence that was long enough is a gap, and there are no others.
    long = [silence for silence in microphone.silences if silence[1] - silence[0] > STEP_S + 0.04]
    found = [gap for gap in tape.gaps if gap[1] - gap[0] > STEP_S + 0.04 + 0.04]
    for start, end, _ in found:
        assert any(abs(start - s) <= 0.1 and abs(end - e) <= 0.1 for s, e in microphone.silences)
    for start, end in long:
        if end - start > 0.2:
            assert any(abs(start - s) <= 0.1 and abs(end - e) <= 0.1 for s, e, _ in tape.gaps)
    # Segments and gaps follow each other without overlapping.
    ends = [edge for it in timeline.log.segments for edge in (it.start_s, it.end_s)]
    assert ends == sorted(ends)


@given(st.floats(-STEP_S, STEP_S), st.integers(1, 4800))
def test_slewing_changes_no_block_by_more_than_its_bound(offset_s: float, samples: int) -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)

    placement = tape.block(1.0 + offset_s, samples)

    assert abs(placement.stretch) <= max(1, samples * MAX_STRETCH)
    assert placement.stretch * offset_s >= 0
    assert abs(placement.stretch) <= abs(round(offset_s * SAMPLE_RATE))


@settings(max_examples=30)
@given(st.floats(-STEP_S * 0.99, STEP_S * 0.99), st.sampled_from([240, 480, 960, 1024, 4800]))
def test_slewing_comes_to_rest(offset_s: float, samples: int) -> None:
    tape = Tape()
    tape.talk(0.0, 1.0)
    for index in range(round(30 * SAMPLE_RATE / samples)):
        tape.block(1.0 + offset_s + index * samples / SAMPLE_RATE, samples)

    assert abs(tape.errors_s[-1]) <= DEADBAND_S + 1 / SAMPLE_RATE
    assert tape.placements[-1].stretch == 0
    assert tape.gaps == []
    errors = [abs(error) for error in tape.errors_s[100:]]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(errors))


# Reasons


def log_with_a_second() -> TrackLog:
    log = TrackLog()
    log.subscribed("TR_1")
    log.add(0.0, 1.0, tolerance_s=0.06)
    return log


def test_the_first_reason_stands() -> None:
    log = log_with_a_second()
    log.interrupt(1.0, GapReason.MUTED)
    log.interrupt(2.0, GapReason.UNPUBLISHED)
    log.interrupt(3.0, GapReason.LEFT)

    assert (log.reason, log.interrupted_s) == (GapReason.MUTED, 1.0)
    assert log.left


def test_leaving_explains_the_unpublishing_before_it() -> None:
    log = log_with_a_second()
    log.interrupt(1.0, GapReason.UNPUBLISHED)
    log.interrupt(1.1, GapReason.LEFT)

    assert (log.reason, log.interrupted_s) == (GapReason.LEFT, 1.0)


def test_where_we_lose_the_connection_everyone_seems_to_leave_first() -> None:
    log = log_with_a_second()
    log.interrupt(1.0, GapReason.UNPUBLISHED)
    log.interrupt(1.01, GapReason.LEFT)
    log.interrupt(1.02, GapReason.RECONNECTING)

    assert (log.reason, log.interrupted_s) == (GapReason.RECONNECTING, 1.0)
    assert log.left


def test_who_left_before_we_lost_the_connection_has_left() -> None:
    log = log_with_a_second()
    log.interrupt(1.0, GapReason.LEFT)
    log.interrupt(2.0, GapReason.RECONNECTING)

    assert log.reason is GapReason.LEFT


def test_a_gap_closes_with_a_frame_and_not_with_the_news_of_it() -> None:
    log = log_with_a_second()
    log.interrupt(1.0, GapReason.MUTED)
    log.resume()
    assert log.gaps == []
    assert log.reason is GapReason.MUTED

    log.add(5.0, 5.1, tolerance_s=0.06)

    assert [(gap.start_s, gap.end_s) for gap in log.gaps] == [(1.0, 5.0)]
    assert log.reason is None


def test_a_track_that_never_comes_back_has_an_end_and_no_gap() -> None:
    log = log_with_a_second()
    log.interrupt(1.0, GapReason.LEFT)

    assert log.gaps == []
    assert log.end_s == 1.0


def test_a_new_sid_without_a_hole_is_a_new_segment_and_no_gap() -> None:
    log = log_with_a_second()
    log.subscribed("TR_2")
    log.add(1.0, 2.0, tolerance_s=0.06)

    assert [(it.sid, it.start_s, it.end_s) for it in log.segments] == [
        ("TR_1", 0.0, 1.0),
        ("TR_2", 1.0, 2.0),
    ]
    assert log.gaps == []


def test_a_size_is_noted_when_it_changes() -> None:
    log = TrackLog()
    for at_s, width in ((0.0, 640), (1.0, 640), (2.0, 1280), (3.0, 640)):
        log.sized(at_s, width, 360)

    assert [(size.at_s, size.width) for size in log.sizes] == [(0.0, 640), (2.0, 1280), (3.0, 640)]


# Pictures


def film(*, may_stand_still: bool = False) -> VideoTimeline:
    timeline = VideoTimeline(may_stand_still=may_stand_still)
    timeline.log.subscribed("TR_1")
    return timeline


def shown(timeline: VideoTimeline, start_s: float, seconds: float, fps: int = 30) -> float:
    """Place pictures; return the time of the last."""
    times = [start_s + index / fps for index in range(round(seconds * fps))]
    for time_s in times:
        timeline.place(time_s)
    return times[-1]


def test_pictures_are_shown_at_their_time() -> None:
    timeline = film()

    assert [timeline.place(t) for t in (0.5, 0.6, 0.7)] == [0.5, 0.6, 0.7]
    assert timeline.start_s == 0.5


def test_a_picture_is_never_shown_twice_or_after_a_later_one() -> None:
    timeline = film()

    assert [timeline.place(t) for t in (1.0, 1.0, 0.9, 1.1)] == [1.0, None, None, 1.1]
    assert timeline.log.frames == 2


def test_pictures_that_just_stop_are_lost() -> None:
    timeline = film()
    end_s = shown(timeline, 0.0, 1.0)
    assert timeline.fill(10.0) == []
    timeline.place(10.0)

    (gap,) = timeline.log.gaps
    assert gap.start_s == pytest.approx(end_s, abs=1e-5)
    assert (gap.end_s, gap.reason) == (10.0, GapReason.LOST)


def test_a_slow_camera_has_no_gaps() -> None:
    timeline = film()
    for index in range(10):
        timeline.place(index * PAUSE_S)

    assert timeline.log.gaps == []


def test_a_screen_may_stand_still_for_as_long_as_it_likes() -> None:
    timeline = film(may_stand_still=True)
    timeline.place(0.0)
    assert timeline.fill(500.0) == []
    timeline.place(600.0)

    assert timeline.log.gaps == []


def test_a_screen_that_was_unpublished_did_not_stand_still() -> None:
    timeline = film(may_stand_still=True)
    timeline.place(0.0)
    timeline.log.interrupt(1.0, GapReason.UNPUBLISHED)
    timeline.fill(5.0)
    timeline.log.subscribed("TR_2")
    timeline.place(9.0)

    assert [(gap.start_s, gap.end_s, gap.reason) for gap in timeline.log.gaps] == [
        (0.0, 9.0, GapReason.UNPUBLISHED)
    ]


def test_black_stands_in_from_the_interruption_on_once_a_second() -> None:
    timeline = film()
    shown(timeline, 0.0, 1.0)
    timeline.log.interrupt(1.0, GapReason.MUTED)

    assert timeline.fill(1.2) == []
    assert timeline.fill(1.3) == [1.0]
    assert timeline.fill(1.8) == []
    assert timeline.fill(4.5) == [2.0, 3.0, 4.0]


def test_black_never_comes_before_the_last_picture() -> None:
    timeline = film()
    end_s = shown(timeline, 0.0, 1.1)
    timeline.log.interrupt(1.0, GapReason.MUTED)

    (black_s,) = timeline.fill(1.5)

    assert end_s < black_s < end_s + 0.01


def test_pictures_that_go_on_although_the_signalling_is_cut_are_not_interrupted_by_black() -> None:
    timeline = film()
    shown(timeline, 0.0, 1.0)
    timeline.log.interrupt(1.0, GapReason.RECONNECTING)
    for half in range(6):
        end_s = shown(timeline, 1.0 + half / 2, 0.5)
        assert timeline.fill(end_s + 0.05) == []
    timeline.log.resume()
    shown(timeline, 4.0, 1.0)

    assert timeline.log.gaps == []
    assert timeline.log.frames == 150


@pytest.mark.parametrize("first", [None, GapReason.UNPUBLISHED, GapReason.MUTED])
def test_after_who_has_left_black_is_shown_once(first: GapReason | None) -> None:
    timeline = film()
    shown(timeline, 0.0, 1.0)
    if first:
        timeline.log.interrupt(1.0, first)
    timeline.log.interrupt(1.0, GapReason.LEFT)

    assert timeline.fill(3.0) == [1.0]
    assert timeline.fill(100.0) == []


def test_who_comes_back_is_shown_and_black_stands_in_again_when_muted() -> None:
    timeline = film()
    shown(timeline, 0.0, 1.0)
    timeline.log.interrupt(1.0, GapReason.LEFT)
    timeline.fill(2.0)
    timeline.log.subscribed("TR_2")
    end_s = shown(timeline, 5.0, 1.0)
    timeline.log.interrupt(6.0, GapReason.MUTED)

    (gap,) = timeline.log.gaps
    assert (gap.end_s, gap.reason) == (5.0, GapReason.LEFT)
    assert end_s < 6.0
    assert timeline.fill(7.5) == [6.0, 7.0]


def test_before_the_first_picture_there_is_no_black() -> None:
    timeline = film()
    timeline.log.interrupt(0.0, GapReason.MUTED)

    assert timeline.fill(10.0) == []


def test_a_short_interruption_of_pictures_is_no_gap() -> None:
    timeline = film()
    end_s = shown(timeline, 0.0, 1.0)
    timeline.log.interrupt(1.0, GapReason.MUTED)
    timeline.log.resume()
    timeline.place(end_s + 0.2)

    assert timeline.log.gaps == []


camera_steps = st.lists(
    st.tuples(
        st.sampled_from(["play", "mute", "unpublish", "leave", "stall"]),
        st.floats(0.05, 4.0),
        st.sampled_from([5, 15, 30]),
    ),
    min_size=1,
    max_size=8,
)


@given(camera_steps, st.booleans())
def test_pictures_and_black_go_forward_and_never_ahead_of_now(
    steps: list[tuple[str, float, int]], still: bool
) -> None:
    timeline = film(may_stand_still=still)
    reasons = {
        "mute": GapReason.MUTED,
        "unpublish": GapReason.UNPUBLISHED,
        "leave": GapReason.LEFT,
    }
    now_s = 0.0
    tick_s = 0.0
    times: list[float] = []

    def pass_to(then_s: float) -> None:
        nonlocal now_s, tick_s
        while tick_s + TICK_S <= then_s:
            tick_s += TICK_S
            black = timeline.fill(tick_s)
            assert all(time_s <= tick_s for time_s in black)
            assert all(b - a >= BLACK_EVERY_S - 1e-9 for a, b in pairwise(black))
            times.extend(black)
        now_s = then_s

    for what, seconds, fps in steps:
        end_s = now_s + seconds
        if what == "play":
            timeline.log.subscribed("TR")
            for index in range(round(seconds * fps)):
                at_s = end_s - seconds + index / fps
                if (placed := timeline.place(at_s)) is not None:
                    times.append(placed)
                pass_to(at_s)
        elif reason := reasons.get(what):
            timeline.log.interrupt(now_s, reason)
        pass_to(end_s)

    assert all(earlier < later for earlier, later in pairwise(times))
    edges = [edge for gap in timeline.log.gaps for edge in (gap.start_s, gap.end_s)]
    assert edges == sorted(edges)
