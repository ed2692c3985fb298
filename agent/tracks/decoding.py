"""A media file as frames on one timeline, over any number of rounds."""

import logging
from collections import deque
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

from agent.errors import MediaFileError
from agent.media import VIDEO_CLOCK_RATE, AudioFrame, Kind, VideoFrame
from agent.tracks.conversion import SAMPLE_RATE, BlockCutter, PictureConverter
from agent.tracks.reading import Reading

logger = logging.getLogger(__name__)

_MAX_MISSING_S = 0.5
"""What may lack of the length that a file claims before it counts as cut off."""


class FileDecoder:
    """Decodes a file from a start to its end, or for ever, one frame at a time.

    The timeline's zero is where the file's earliest track starts, or ``start_s`` after that.
    A further round starts, from the file's beginning, where the longer track of the one before
    ended. Times are exact, so that rounds don't add up to a skew. For one thread.

    Attributes:
        contents: What is in the file.
        damaged: Whether something in it couldn't be decoded, or lacks at its end.
    """

    def __init__(
        self,
        path: Path,
        *,
        kinds: Collection[Kind] = tuple(Kind),
        loop: bool = False,
        start_s: float = 0.0,
        max_height: int | None = None,
    ) -> None:
        """Open ``path``; what is left out of ``kinds`` is not decoded.

        Raises:
            MediaFileError: If it can't be opened, holds nothing of ``kinds``, or ends before
                ``start_s``.
        """
        self.damaged = False
        self._path = path
        self._loop = loop
        self._start_s = Fraction(start_s)
        self._reading = Reading(path, kinds, self._start_s)
        self.contents = self._reading.contents
        length = self.contents.length_s
        if length is not None and start_s >= length and start_s > 0:
            self._reading.close()
            reason = f"it is {float(length):.1f} s long and can't be played from {start_s:g} s on"
            raise MediaFileError(path, reason)
        self._pictures = self._reading.pictures()
        self._sound = self._reading.sound()
        self._converter = PictureConverter(self.contents.pixel_aspect, max_height)
        self._cutter = BlockCutter(max(1, self.contents.channels))
        self._blocks: deque[AudioFrame] = deque()
        self._last_pts = -1
        self._origin = Fraction(0)
        self._end = Fraction(0)
        self._finished: set[Kind] = set()
        self._over = False

    def next(self, kind: Kind) -> VideoFrame | AudioFrame | None:
        """Return the track's next frame, or ``None`` if it has none now.

        Either it has :meth:`ended`, or the other track has to be read further first.
        """
        return self._next_picture() if kind is Kind.VIDEO else self._next_block()

    def ended(self, kind: Kind) -> bool:
        """Return whether no frame of this track will come any more."""
        over = self._over or (not self._loop and kind in self._finished)
        return over and (kind is Kind.VIDEO or not self._blocks)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._over = True
        self._reading.close()

    def _next_picture(self) -> VideoFrame | None:
        while not self._over and Kind.VIDEO not in self._finished:
            for picture in self._pictures:
                if picture is None:
                    return None
                pts = round((self._origin + picture.time) * VIDEO_CLOCK_RATE)
                self._end = max(self._end, self._origin + picture.end)
                if pts > self._last_pts:
                    self._last_pts = pts
                    return VideoFrame(self._converter.convert(picture.frame), pts)
            self._finish(Kind.VIDEO)
        return None

    def _next_block(self) -> AudioFrame | None:
        while not self._blocks and not self._over and Kind.AUDIO not in self._finished:
            for placed in self._sound:
                if placed is None:
                    return None
                index, samples = placed
                origin = round(self._origin * SAMPLE_RATE)
                samples = samples[max(0, -index) :]
                self._blocks += self._cutter.place(origin + max(0, index), samples)
                self._end = max(self._end, Fraction(self._cutter.end, SAMPLE_RATE))
                if self._blocks:
                    return self._blocks.popleft()
            self._finish(Kind.AUDIO)
        return self._blocks.popleft() if self._blocks else None

    def _finish(self, kind: Kind) -> None:
        """Note that a track has come to the end of this round; start the next after the last."""
        self._finished.add(kind)
        if kind is Kind.AUDIO and not self._loop:
            self._blocks += self._cutter.flush()
        if self.contents.kinds - self._finished:
            return
        self._look_for_damage()
        self._reading.close()
        if not self._loop or self._end <= self._origin or not self._reopen():
            self._over = True
            self._blocks += self._cutter.flush()

    def _reopen(self) -> bool:
        try:
            self._reading = Reading(self._path, self.contents.kinds, Fraction(0))
        except MediaFileError as error:
            logger.warning("the file can't be played again: %s", error)
            self.damaged = True
            return False
        self._pictures = self._reading.pictures()
        self._sound = self._reading.sound()
        self._origin, self._start_s = self._end, Fraction(0)
        self._finished = set(self.contents.kinds - self._reading.contents.kinds)
        return True

    def _look_for_damage(self) -> None:
        damage = self._reading.damage
        promised = self.contents.promised_s
        played = self._start_s + self._end - self._origin
        if promised is not None and promised - played > _MAX_MISSING_S:
            cut_off = f"it ends after {float(played):.1f} of {float(promised):.1f} s"
            damage = f"{damage}; {cut_off}" if damage else cut_off
        if damage and not self.damaged:
            self.damaged = True
            logger.warning("%s is damaged: %s", self._path, damage)
