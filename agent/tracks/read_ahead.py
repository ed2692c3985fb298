"""The hand-over from a thread that decodes ahead to the tracks that are paced."""

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from threading import Condition

from agent.media import AudioFrame, Kind, VideoFrame

READ_AHEAD_S = 0.75
READ_AHEAD_BYTES = 48 << 20
"""A track is full with either; 16 pictures of 1080p weigh this."""


@dataclass(slots=True)
class _Track:
    frames: deque[AudioFrame | VideoFrame] = field(default_factory=deque)
    nbytes: int = 0
    until: Fraction = Fraction(0)
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def full(self) -> bool:
        if not self.frames:
            return False
        return self.nbytes >= READ_AHEAD_BYTES or self.until - self.frames[0].time >= READ_AHEAD_S


class ReadAhead:
    """Frames of one or two tracks, bounded, from one thread to the loop it was made on.

    The thread waits while every track is full; the one that is behind the other comes next, so
    that neither starves. Nothing is dropped.
    """

    def __init__(self, kinds: Collection[Kind]) -> None:
        self._tracks = {kind: _Track() for kind in kinds}
        self._wanted = Condition()
        self._closed = False
        self._taken = 0
        self._loop = asyncio.get_running_loop()

    def next_wanted(self, lacking: Collection[Kind] = ()) -> Kind | None:
        """Return of which track to bring the next frame; block while all have enough.

        For the thread.

        Args:
            lacking: Tracks that can bring none before another was read from; asked for again
                as soon as one was.

        Returns:
            ``None`` once the reader has closed, or all tracks have ended.
        """
        with self._wanted:
            taken = self._taken
            while not self._closed:
                going = {kind: track for kind, track in self._tracks.items() if not track.ended}
                if not going:
                    return None
                again = self._taken != taken
                open_ = [
                    kind
                    for kind, track in going.items()
                    if not track.full and (again or kind not in lacking)
                ]
                if open_:
                    return min(open_, key=lambda kind: going[kind].until)
                self._wanted.wait()
        return None

    def put(self, kind: Kind, frame: AudioFrame | VideoFrame) -> None:
        """Hand ``frame`` over; never blocks. For the thread."""
        with self._wanted:
            track = self._tracks[kind]
            track.frames.append(frame)
            track.nbytes += frame.nbytes
            track.until = frame.time
        self._wake(track)

    def end(self, kind: Kind) -> None:
        """Say that there are no more frames of this track. For the thread."""
        with self._wanted:
            track = self._tracks[kind]
            track.ended = True
        self._wake(track)

    def _wake(self, track: _Track) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(track.changed.set)

    async def take(self, kind: Kind) -> AudioFrame | VideoFrame | None:
        """Return the track's next frame, ``None`` after the last; for one reader a track."""
        track = self._tracks[kind]
        while True:
            track.changed.clear()
            with self._wanted:
                if self._closed:
                    return None
                if track.frames:
                    frame = track.frames.popleft()
                    track.nbytes -= frame.nbytes
                    self._taken += 1
                    self._wanted.notify()
                    return frame
                if track.ended:
                    return None
            await track.changed.wait()

    def close(self) -> None:
        """Let go of the thread and of what is waiting. Idempotent."""
        with self._wanted:
            self._closed = True
            self._wanted.notify()
            tracks = list(self._tracks.values())
            for track in tracks:
                track.frames.clear()
        for track in tracks:
            track.changed.set()
