"""Pictures and sound of one participant, in step whatever their jitter buffers do. Pure.

Each track has a jitter buffer of its own. When packets come in bursts, as on a busy machine, that
of the sound holds back up to a quarter of a second and lets go of it slowly, that of the pictures
next to nothing; libwebrtc would delay the pictures likewise if it played the sound itself. The
buffers tell how long they hold (W3C webrtc-stats, ``jitterBufferDelay`` by
``jitterBufferEmittedCount``). Sound can't be moved without being heard to be, so pictures are.
"""

USUAL_S = 0.018
"""By how much the sound is held back longer than the pictures on a quiet machine, measured: what
the time lines of both make up for already."""

SLEW = 0.1
"""Seconds per second by which pictures are moved: 30 a second are then 27 or 33, unseen."""

MOST_S = 1.0
"""What a jitter buffer says beyond this is not believed."""


class JitterBuffer:
    """How long one has held what it let go of lately."""

    def __init__(self) -> None:
        self._held_s = 0.0
        self._count = 0

    def update(self, held_s: float, count: int) -> float | None:
        """Return the mean in seconds since the last call; ``None`` if that says nothing.

        The first call doesn't: a buffer fills at its beginning as it never does again.

        Args:
            held_s: The sum over all since the beginning.
            count: Their number.
        """
        held_s, self._held_s = held_s - self._held_s, held_s
        before, self._count = self._count, count
        count -= before
        is_sane = count > 0 and 0 <= held_s <= MOST_S * count  # else it is a new buffer
        if not before or not is_sane:
            return None
        return held_s / count


class LipSync:
    """How much later than their stamps pictures belong, so that they meet their sound."""

    def __init__(self) -> None:
        self._target_s = 0.0
        self._shift_s = 0.0
        self._moved_at: float | None = None

    def update(self, sound_held_s: float | None, picture_held_s: float | None) -> None:
        """Take note of how long each is held; ``None`` changes nothing."""
        if sound_held_s is None or picture_held_s is None:
            return
        self._target_s = sound_held_s - picture_held_s - USUAL_S

    def shift(self, now: float) -> float:
        """Return by how many seconds to move a picture at ``now``, a clock's reading."""
        elapsed = 0.0 if self._moved_at is None else max(0.0, now - self._moved_at)
        self._moved_at = now
        most = SLEW * elapsed
        self._shift_s += max(-most, min(most, self._target_s - self._shift_s))
        return self._shift_s
