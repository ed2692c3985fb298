"""When a frame belongs, where the SDK doesn't say or says it loosely. Pure: time is an argument.

All times are seconds on the clock of :class:`~agent.clock.LoopClock`; libwebrtc stamps
pictures on the same clock.
"""

from collections import deque
from dataclasses import dataclass

from agent.media import VIDEO_CLOCK_RATE

WINDOW_S = 10.0
"""How far back the promptest arrival is looked for; longer than any one burst of jitter."""

SLEW = 0.005
"""Seconds per second by which sound is moved towards where it belongs; nobody hears 0.5 %."""

DEADBAND_S = 0.002
"""An error too small to be worth a discontinuity of even one sample."""

HELD_S = 0.02
"""What libwebrtc's jitter buffer holds back of the sound at least: one packet. The stamps of the
pictures know nothing of it."""

STEP_S = 0.5
"""Lateness that is no jitter any more but a hole in the sound..."""

STEADY_S = 0.5
"""...once every frame has been so late for this long."""


class AudioTimeline:
    """Places sound that arrives without a timestamp, by counting its samples.

    The sender's samples are as regular as its crystal; their arrival is late by a varying
    amount, never early. So the offset between the count and the clock is the smallest one seen
    lately. It is followed slowly, and jumped to only if samples are missing.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._count = 0
        self._anchor: float | None = None
        self._promptest: deque[tuple[float, float]] = deque()
        self._late_since: float | None = None
        self._next_pts = 0

    def place(self, samples: int, arrival: float) -> int:
        """Return the pts, in samples, of a frame of ``samples`` that is handed over at ``arrival``.

        Never less than the end of the frame before, less the slew.
        """
        start = self._count / self._rate
        self._count += samples
        offset = arrival - HELD_S - self._count / self._rate
        if self._anchor is None:
            self._anchor = offset
        self._anchor = self._follow(self._anchor, offset, arrival, samples / self._rate)
        pts = round((self._anchor + start) * self._rate)
        if abs(pts - self._next_pts) <= 1:  # rounding, not time
            pts = self._next_pts
        self._next_pts = pts + samples
        return pts

    def _follow(self, anchor: float, offset: float, arrival: float, duration: float) -> float:
        target = self._least(offset, arrival)
        if offset - anchor < STEP_S:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = arrival
        elif arrival - self._late_since >= STEADY_S:
            self._late_since = None
            self._promptest.clear()
            return offset
        error = target - anchor
        if abs(error) <= DEADBAND_S:
            return anchor
        most = SLEW * duration
        return anchor + max(-most, min(most, error))

    def _least(self, offset: float, arrival: float) -> float:
        """Return the smallest offset of the window that ends at ``arrival``."""
        seen = self._promptest
        while seen and seen[-1][1] >= offset:
            seen.pop()
        seen.append((arrival, offset))
        while seen[0][0] < arrival - WINDOW_S:
            seen.popleft()
        return seen[0][1]


MAX_AHEAD_S = 0.5
"""libwebrtc stamps a picture with when it is to be shown, about 10 ms ahead of its arrival."""

MAX_BEHIND_S = 10.0
"""How late we may be to look at a picture before its stamp is taken to be of another clock."""


class VideoTimeline:
    """Places pictures by libwebrtc's stamps as long as these make sense."""

    def __init__(self) -> None:
        self._last_pts: int | None = None

    def place(self, stamp: float, arrival: float) -> int:
        """Return the pts, in ticks of the video clock; greater than the one before.

        Args:
            stamp: When libwebrtc means the picture to be shown.
            arrival: When we got it; taken instead if the stamp is out of bounds.
        """
        sane = arrival - MAX_BEHIND_S <= stamp <= arrival + MAX_AHEAD_S
        pts = round((stamp if sane else arrival) * VIDEO_CLOCK_RATE)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        return pts


MAX_LATENESS_S = 0.1
"""A picture sent further than this from its time starts a new run of pictures."""


class CaptureStamps:
    """Stamps pictures to be sent: as regular as their own timeline, not as the event loop."""

    def __init__(self) -> None:
        self._epoch: float | None = None
        self._last = float("-inf")

    def stamp(self, media_time: float, now: float) -> float:
        """Return when a picture of ``media_time`` that is sent ``now`` counts as captured.

        Never in the future, and later than the one before.
        """
        due = now if self._epoch is None else self._epoch + media_time
        if self._epoch is None or abs(now - due) > MAX_LATENESS_S:
            self._epoch = now - media_time
        elif due > now:  # we were late before: this one tells better when the timeline began
            self._epoch -= due - now
        self._last = max(self._epoch + media_time, self._last + 1e-6)
        return self._last


@dataclass(frozen=True, slots=True)
class SoundTurn:
    """What to do with the next frame of a track that is sent.

    Attributes:
        silence: Samples to send before it.
        skip: Samples of it to leave out at its start.
    """

    silence: int
    skip: int


class SoundSchedule:
    """Keeps sound that is sent in step with the clock, through a queue that plays it in order.

    The queue is played by the clock whatever happens; when it runs empty, as silence. What was
    due meanwhile is left out: were it sent all the same, all that follows would be late. Where
    the sender has left it out already, it is not left out again.

    Attributes:
        due: When the next sample is to be played.
    """

    def __init__(self, sample_rate: int, lead_s: float, pause_s: float) -> None:
        """Let sound be played ``lead_s`` after it was sent, and anew after ``pause_s``."""
        self.due = float("-inf")
        self._rate = sample_rate
        self._lead = lead_s
        self._pause = pause_s
        self._next_pts = 0

    def next(self, pts: int, samples: int, now: float) -> SoundTurn:
        """Return what to do with a frame of ``samples`` from ``pts`` on that is sent ``now``."""
        missing = (pts - self._next_pts) / self._rate
        self._next_pts = pts + samples
        queued_until = max(self.due, now)
        due = self.due + missing
        silence = skip = 0
        if missing < 0 or now - due > self._pause:
            silence = round(self._lead * self._rate)
            due = queued_until + silence / self._rate
        elif due < now:
            skip = min(samples, round((now - due) * self._rate))
        else:
            silence = round((due - queued_until) * self._rate)
        self.due = due + samples / self._rate
        return SoundTurn(silence, skip)
