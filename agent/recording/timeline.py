"""The one timeline of a recording: where each frame goes, and what stands in for none.

Pure: frames and events come with their times, decisions go back. All times are seconds since
the recording's zero.

Sound is written without holes, so that every player keeps its place: where there is none,
silence stands in. A picture lasts until the next one; where there are none, black stands in,
repeated, so that players find a key frame wherever they seek.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.recording.manifest import GapEntry, GapReason, SegmentEntry, SizeEntry

SAMPLE_RATE = 48_000
"""Of everything written, in Hz: the clock of Opus."""

PAUSE_S = 1.0
"""Pictures of a camera that are further apart are a gap."""

STALL_S = 1.0
"""Without a frame for this long, and no reason known, sound counts as lost."""

SETTLE_S = 0.25
"""How long after an event its track's last frames may still come through the jitter buffer."""

AT_ONCE_S = 0.5
"""Where we lose the connection everyone seems to leave first, by no more than this."""

_OUR_ABSENCE = (GapReason.RECONNECTING, GapReason.ROOM_CLOSED)

HOLE_S = 0.25
"""A hole in an interrupted track that is shorter is none: so far apart are the pictures of a slow
camera, which may go on while only the signalling is cut."""

STEP_S = 0.06
"""Sound further than this from its place is moved there at once; less is slewed."""

DEADBAND_S = 0.005
MAX_STRETCH = 0.004
"""Largest change of speed while slewing: 4 ms a second, seven hundredths of a semitone."""

BLACK_EVERY_S = 1.0


@dataclass(slots=True)
class TrackLog:
    """What there was of one track: its segments, its gaps, its counts.

    A gap opens with a reason and closes with the next frame; one that never closes is no gap
    but the end of the track. The first reason known stands. Frames that still come after an
    interruption, through the jitter buffer or because only the signalling was cut, are as good
    as others and move the start of the gap.

    Attributes:
        expecting: Whether frames should come.
        left: Whether whose track it is has left since; then nobody waits for frames, whatever
            the reason why there are none.
    """

    segments: list[SegmentEntry] = field(default_factory=list)
    gaps: list[GapEntry] = field(default_factory=list)
    sizes: list[SizeEntry] = field(default_factory=list)
    frames: int = 0
    expecting: bool = True
    left: bool = False
    _sid: str = ""
    _reason: GapReason | None = None
    _since: float = 0.0

    @property
    def sid(self) -> str:
        """Of the track that was subscribed last."""
        return self._sid

    @property
    def start_s(self) -> float | None:
        """When the first frame came; ``None`` before it."""
        return self.segments[0].start_s if self.segments else None

    @property
    def end_s(self) -> float:
        """The end of the last frame; 0 before the first."""
        return self.segments[-1].end_s if self.segments else 0.0

    @property
    def interrupted_s(self) -> float | None:
        """Since when there is a reason to have no frames; ``None`` if there is none."""
        return None if self._reason is None else self._since

    @property
    def reason(self) -> GapReason | None:
        """Why there may be no frames; ``None`` if they should come."""
        return self._reason

    def subscribed(self, sid: str) -> None:
        """Expect frames, and take note that they belong to ``sid``."""
        self._sid = sid
        self.expecting = True
        self.left = False

    def interrupt(self, at_s: float, reason: GapReason) -> None:
        """Expect nothing from ``at_s`` on."""
        self.expecting = False
        self.left = self.left or reason is GapReason.LEFT
        self.suspect(at_s, reason)

    def suspect(self, at_s: float, reason: GapReason) -> None:
        """Give a reason why nothing has come since ``at_s``, while frames are still expected."""
        if self._reason is None:
            self._reason, self._since = reason, at_s
        elif (self._reason, reason) == (GapReason.UNPUBLISHED, GapReason.LEFT):
            self._reason = reason  # who leaves unpublishes first
        elif (
            reason in _OUR_ABSENCE
            and self._reason in (GapReason.UNPUBLISHED, GapReason.LEFT)
            and at_s - self._since <= AT_ONCE_S
        ):
            self._reason = reason

    def resume(self) -> None:
        """Expect frames again; the gap closes when one comes."""
        self.expecting = True

    def add(self, start_s: float, end_s: float, *, tolerance_s: float) -> None:
        """Take note of a frame; further than ``tolerance_s`` from the last one is a gap."""
        self.frames += 1
        if self.segments and start_s - self.end_s > tolerance_s:
            reason = self._reason or GapReason.LOST
            self.gaps.append(
                GapEntry(start_s=_rounded(self.end_s), end_s=_rounded(start_s), reason=reason)
            )
            self._begin(start_s)
        elif not self.segments or self.segments[-1].sid != self._sid:
            self._begin(start_s)
        if self.expecting:
            self._reason = None
        self.segments[-1].end_s = max(_rounded(end_s), self.segments[-1].end_s)

    def sized(self, at_s: float, width: int, height: int) -> None:
        """Take note of the size of the picture at ``at_s``."""
        last = self.sizes[-1] if self.sizes else None
        if last is None or (last.width, last.height) != (width, height):
            self.sizes.append(SizeEntry(at_s=_rounded(at_s), width=width, height=height))

    def _begin(self, start_s: float) -> None:
        start_s = _rounded(start_s)
        self.segments.append(SegmentEntry(sid=self._sid, start_s=start_s, end_s=start_s))


@dataclass(frozen=True, slots=True)
class AudioPlacement:
    """What to do with a block of sound.

    Attributes:
        silence: Samples of silence to write before it.
        skip: Samples of it to leave out at its start; all of them if it is too late.
        stretch: Samples to add to it (or, negative, to take from it) spread over its length.
    """

    silence: int = 0
    skip: int = 0
    stretch: int = 0


class AudioTimeline:
    """Where sound goes: sample after sample, without a hole, at its time.

    Attributes:
        log: What there was.
        offsets_ms: How late sound was written against its time, measured once a second.
    """

    def __init__(self) -> None:
        self.log = TrackLog()
        self.offsets_ms: list[float] = []
        self._start: int | None = None
        self._next = 0
        self._measured_s = 0.0

    @property
    def start_s(self) -> float | None:
        """The time of the first sample; ``None`` before it."""
        return None if self._start is None else self._start / SAMPLE_RATE

    @property
    def written_s(self) -> float:
        """Up to where there is sound or silence."""
        return self._next / SAMPLE_RATE

    def place(self, time_s: float, samples: int, *, silent: bool) -> AudioPlacement:
        """Decide on a block of ``samples`` that sounds at ``time_s``.

        Args:
            time_s: Of its first sample.
            samples: At :data:`SAMPLE_RATE`.
            silent: Whether all of them are zero: a decoder that gets nothing makes such up, so
                that where nothing is expected they are nothing.
        """
        if silent and not self.log.expecting:
            return AudioPlacement(skip=samples)
        if not samples:
            return AudioPlacement()
        at = round(time_s * SAMPLE_RATE)
        if self._start is None:
            self._start = self._next = max(0, at)  # what sounded before the zero is left out
        offset = at - self._next
        self._measure(time_s, offset)
        step_s = STEP_S if self.log.reason is None else DEADBAND_S
        if abs(offset) > step_s * SAMPLE_RATE:
            placement = AudioPlacement(max(offset, 0), min(max(-offset, 0), samples))
        else:
            placement = AudioPlacement(stretch=self._slew(offset, samples))
        written = samples - placement.skip + placement.stretch
        self._next += placement.silence + written
        if written > 0:
            end_s = self._next / SAMPLE_RATE
            self.log.add(end_s - written / SAMPLE_RATE, end_s, tolerance_s=step_s)
        return placement

    def fill(self, now_s: float) -> int:
        """Return how many samples of silence to write because none came in time.

        Called every now and then, with the present: sound that was interrupted is silent up to
        a moment ago, sound that just stopped coming after :data:`STALL_S`.
        """
        if self._start is None or self.log.left:
            return 0  # who left is not waited for: what stands in comes if they come back
        if self.log.reason is None:
            if now_s - self.written_s <= STALL_S:
                return 0
            self.log.suspect(self.written_s, GapReason.LOST)
        silence = max(0, round((now_s - SETTLE_S) * SAMPLE_RATE) - self._next)
        self._next += silence
        return silence

    def _measure(self, time_s: float, offset: int) -> None:
        if time_s - self._measured_s >= 1.0 and self.log.reason is None:
            self._measured_s = time_s
            self.offsets_ms.append(-1000 * offset / SAMPLE_RATE)

    @staticmethod
    def _slew(offset: int, samples: int) -> int:
        if abs(offset) <= DEADBAND_S * SAMPLE_RATE:
            return 0
        most = max(1, int(samples * MAX_STRETCH))
        return max(-most, min(most, offset))


class VideoTimeline:
    """Where pictures go.

    Attributes:
        log: What there was.
    """

    def __init__(self, *, may_stand_still: bool) -> None:
        """Expect pictures all the time, unless they ``may_stand_still``, as a screen's may."""
        self.log = TrackLog()
        self._tolerance_s = float("inf") if may_stand_still else PAUSE_S
        self._last_s: float | None = None
        self._black_s: float | None = None

    @property
    def start_s(self) -> float | None:
        """The time of the first picture; ``None`` before it."""
        return self.log.start_s

    def place(self, time_s: float) -> float | None:
        """Return when to show a picture; ``None`` if it is older than what is shown."""
        if self._last_s is not None and time_s <= self._last_s:
            return None
        interrupted = self.log.reason is not None
        self.log.add(time_s, time_s, tolerance_s=HOLE_S if interrupted else self._tolerance_s)
        self._last_s, self._black_s = time_s, None
        return time_s

    def fill(self, now_s: float) -> Sequence[float]:
        """Return when to show black because no pictures are to be expected.

        Called every now and then, with the present.
        """
        since_s = self.log.interrupted_s
        if since_s is None or self._last_s is None:
            return []
        if self._black_s is not None and self.log.left:
            return []
        # From the last picture on, or when its end was heard of; but only up to where no other
        # can come any more. Pictures may go on while only the signalling is cut.
        due_s = self._black_s or max(since_s, self._last_s + 0.001)
        times: list[float] = []
        while due_s <= now_s - SETTLE_S and not (times and self.log.left):
            times.append(due_s)
            due_s += BLACK_EVERY_S
        if times:
            self._last_s, self._black_s = times[-1], due_s
        return times


def _rounded(seconds: float) -> float:
    """Return whole microseconds, never negative: a frame may have been sent before zero."""
    return max(0.0, round(seconds, 6))
