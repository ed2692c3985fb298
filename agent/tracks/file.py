"""A media file as two tracks that can be published."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

from agent.errors import MediaFileError
from agent.media import AudioFrame, Kind, VideoFrame
from agent.tracks.conversion import SAMPLE_RATE
from agent.tracks.decoding import FileDecoder
from agent.tracks.opening import Contents
from agent.tracks.read_ahead import ReadAhead


class MediaFile:
    """A file that is being played: :meth:`open` it, read both tracks, close it.

    A thread of its own decodes ahead, less than a second and at most 48 MiB a track. Every track
    that was opened has to be read: the other one may be far behind, 64 MiB of packets, but a
    loop begins again with both.

    Both tracks share a timeline whose zero is where the file's earliest track starts, or
    ``start_s`` after that; a track that starts later has no frame until then. Pictures come
    upright, with square pixels and an even size, at the times the file gives them. Sound comes
    at 48 kHz, mono or stereo, in blocks of 20 ms without a hole: a gap of up to a second in the
    file is silence, after a longer one the next block's time says where it belongs. In a loop,
    a round starts where the longer track of the one before ended.

    Attributes:
        path: Of the file.
        width: Of the first picture as a viewer sees it, in pixels; 0 without pictures.
        height: Likewise.
    """

    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        path: Path,
        kinds: Collection[Kind],
        *,
        loop: bool,
        start_s: float,
        max_height: int | None,
    ) -> None:
        self.path = path
        self.width = self.height = 0
        self._options = (kinds, loop, start_s, max_height)
        self._loop = asyncio.get_running_loop()
        self._ahead = ReadAhead(kinds)
        self._decoder: FileDecoder | None = None
        self._kinds: frozenset[Kind] = frozenset()
        self._failure: BaseException | None = None
        self._opened = asyncio.Event()
        self._over = asyncio.Event()
        self._thread = Thread(target=self._run, name=f"decode {path.name}", daemon=True)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        kinds: Collection[Kind] = tuple(Kind),
        loop: bool = False,
        start_s: float = 0.0,
        max_height: int | None = None,
    ) -> Self:
        """Open ``path`` and decode the first frame of each track.

        Args:
            path: Of a file on this machine, in any format that libav knows.
            kinds: Which tracks to read; the others cost nothing. At most one of each.
            loop: Whether to begin again, from the file's start, for ever.
            start_s: Where in the file the first round begins, in seconds.
            max_height: Pictures that are higher are scaled down to it.

        Raises:
            MediaFileError: If it can't be read, nothing of ``kinds`` in it can be decoded, or
                it ends before ``start_s``.
        """
        file = cls(path, kinds, loop=loop, start_s=start_s, max_height=max_height)
        file._thread.start()
        try:
            await file._opened.wait()
        except asyncio.CancelledError:
            file._ahead.close()
            raise
        if file._failure is not None:
            await file.aclose()
            raise file._failure
        return file

    @property
    def has_video(self) -> bool:
        """Whether there are pictures."""
        return Kind.VIDEO in self._kinds

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return Kind.AUDIO in self._kinds

    @property
    def fps(self) -> Fraction:
        """Pictures a second on average, as the file says; 0 if it doesn't."""
        return self._contents.fps if self.has_video else Fraction(0)

    @property
    def channels(self) -> int:
        """Of the sound: 1 or 2, 0 without sound."""
        return self._contents.channels if self.has_audio else 0

    @property
    def length_s(self) -> float | None:
        """Of one round from the file's start, in seconds; ``None`` if the file doesn't say."""
        length = self._contents.length_s
        return None if length is None else float(length)

    @property
    def damaged(self) -> bool:
        """Whether, as far as it is decoded, something in it was not to be decoded or lacks."""
        return self._decoder is not None and self._decoder.damaged

    @property
    def _contents(self) -> Contents:
        if self._decoder is None:
            message = "MediaFile.open() has not returned yet"
            raise RuntimeError(message)
        return self._decoder.contents

    async def video(self) -> AsyncIterator[VideoFrame]:
        """Yield the pictures, to the end or :meth:`aclose`; for one reader."""
        while isinstance(frame := await self._take(Kind.VIDEO), VideoFrame):
            yield frame

    async def audio(self) -> AsyncIterator[AudioFrame]:
        """Yield the sound, to the end or :meth:`aclose`; for one reader."""
        while isinstance(frame := await self._take(Kind.AUDIO), AudioFrame):
            yield frame

    async def aclose(self) -> None:
        """End both tracks at once, close the file, end the thread. Idempotent."""
        self._ahead.close()
        await self._over.wait()
        self._thread.join()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _take(self, kind: Kind) -> VideoFrame | AudioFrame | None:
        if kind not in self._kinds:
            return None
        frame = await self._ahead.take(kind)
        if frame is None and self._failure is not None:
            raise self._failure
        return frame

    def _run(self) -> None:
        """Decode until the end or the close; the thread."""
        kinds, loop, start_s, max_height = self._options
        try:
            decoder = FileDecoder(
                self.path, kinds=kinds, loop=loop, start_s=start_s, max_height=max_height
            )
            with closing(decoder):
                self._decoder = decoder
                self._decode_first(decoder)
                self._tell(self._opened)
                self._decode(decoder)
        except BaseException as error:  # noqa: BLE001 - the thread's edge: the readers raise it
            self._failure = error
        for kind in kinds:
            self._ahead.end(kind)
        self._tell(self._opened)
        self._tell(self._over)

    def _decode_first(self, decoder: FileDecoder) -> None:
        """Bring the first frame of each track; a track that has none counts as absent."""
        kinds = set()
        for kind in sorted(decoder.contents.kinds, reverse=True):
            frame = decoder.next(kind)
            if frame is not None:
                self._ahead.put(kind, frame)
            if isinstance(frame, VideoFrame):
                self.width, self.height = frame.width, frame.height
            # Sound may start where we haven't read to yet. Of pictures the size is needed now.
            if frame is not None or (kind is Kind.AUDIO and not decoder.ended(kind)):
                kinds.add(kind)
        if not kinds:
            raise MediaFileError(self.path, "nothing in it can be decoded")
        for kind in set(self._options[0]) - kinds:
            self._ahead.end(kind)
        self._kinds = frozenset(kinds)

    def _decode(self, decoder: FileDecoder) -> None:
        lacking: set[Kind] = set()
        while (kind := self._ahead.next_wanted(lacking)) is not None:
            frame = decoder.next(kind)
            if frame is not None:
                self._ahead.put(kind, frame)
                lacking.clear()
            elif decoder.ended(kind):
                self._ahead.end(kind)
            else:
                lacking.add(kind)

    def _tell(self, event: asyncio.Event) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(event.set)
