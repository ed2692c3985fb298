"""One reading of a media file, from a start to its end."""

from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from agent.media import Kind
from agent.tracks.conversion import SoundConverter
from agent.tracks.opening import opened, seconds

MAX_PACKETS_BYTES = 64 << 20
"""How much of one track is read, undecoded, in search of the next packet of the other."""

_PREROLLS_S = (Fraction(1, 10), Fraction(10), Fraction(60))
"""How long before the start reading begins: as sound codecs need to get going, and longer
where no picture there can be decoded alone."""

_USUAL_FRAME_S = Fraction(1, 25)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture and when it is seen, in seconds from the reading's start."""

    time: Fraction
    end: Fraction
    frame: av.VideoFrame


class Reading:
    """A file that is open, and its tracks, which can be read in any order.

    :meth:`pictures` and :meth:`sound` give ``None`` where a track lacks packets for now: too
    much of the other track lies waiting, and has to be read first.

    Attributes:
        contents: What is in the file.
        damage: What couldn't be read, for a person; empty if nothing.
    """

    def __init__(
        self,
        path: Path,
        kinds: Collection[Kind],
        start_s: Fraction,
        *,
        max_packets_bytes: int = MAX_PACKETS_BYTES,
    ) -> None:
        """Open ``path`` to read its tracks of ``kinds``, each at most one, from ``start_s``.

        Args:
            path: Of the file.
            kinds: What to read.
            start_s: Where to begin, counted from where the earliest of the tracks starts.
            max_packets_bytes: How much of one track may wait, undecoded, for the other.

        Raises:
            MediaFileError: If it can't be opened, or has none of ``kinds``.
        """
        self.damage = ""
        self._file = opened(path, kinds)
        self.contents = self._file.contents
        self._zero = self._file.beginning + start_s
        self._max_packets_bytes = max_packets_bytes
        self._begin_at(None)
        if start_s > 0:
            self._go_to_start()

    def pictures(self) -> Iterator[Picture | None]:
        """Yield the pictures, beginning with the one that is to be seen at the start."""
        early: Picture | None = None
        for picture in self._timed():
            if picture is None:
                yield None
            elif picture.time < 0:
                early = picture
            else:
                if early is not None and picture.time > 0:
                    yield Picture(Fraction(0), picture.time, early.frame)
                early = None
                yield picture
        if early is not None and early.end > 0:
            yield Picture(Fraction(0), early.end, early.frame)

    def sound(self) -> Iterator[tuple[int, NDArray[np.int16]] | None]:
        """Yield runs of samples at 48 kHz, each with the index, from the start, of its first."""
        stream = self._file.audio
        if stream is None:
            return
        converter = SoundConverter(self.contents.channels)
        for frame in self._decoded(stream):
            if frame is None:
                yield None
            elif isinstance(frame, av.AudioFrame):
                time = None if frame.pts is None else seconds(stream, frame.pts) - self._zero
                yield from converter.convert(frame, time)
        yield from converter.finish()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.container.close()

    def _begin_at(self, time: Fraction | None) -> None:
        """Read on from the last place before ``time`` where decoding can begin."""
        if time is not None:
            # Where that fails, what comes before is decoded and left out all the same.
            with suppress(av.FFmpegError):
                self._file.container.seek(int(time * av.time_base))
        self._packets = self._file.container.demux(self._file.streams)
        self._waiting: dict[int, deque[Packet[Stream]]] = {
            stream.index: deque() for stream in self._file.streams
        }
        self._waiting_bytes = 0
        self._at_end = False

    def _go_to_start(self) -> None:
        # Formats without an index (transport streams) give just any picture near the time.
        for before_s in _PREROLLS_S:
            time = max(self._file.beginning, self._zero - before_s)
            self._begin_at(time)
            if time == self._file.beginning or self._is_at_key_picture():
                return
        self._begin_at(self._file.beginning)

    def _is_at_key_picture(self) -> bool:
        stream = self._file.video
        if stream is None:
            return True
        waiting = self._waiting[stream.index]
        while not waiting and not self._at_end and self._waiting_bytes < self._max_packets_bytes:
            self._read_packet()
        return bool(waiting) and waiting[0].is_keyframe

    def _timed(self) -> Iterator[Picture | None]:
        stream = self._file.video
        if stream is None:
            return
        usual = 1 / self.contents.fps if self.contents.fps else _USUAL_FRAME_S
        time = -self._zero
        for frame in self._decoded(stream):
            if frame is None:
                yield None
            elif isinstance(frame, av.VideoFrame):
                if frame.pts is not None:
                    time = seconds(stream, frame.pts) - self._zero
                lasts = seconds(stream, frame.duration) or usual
                yield Picture(time, time + lasts, frame)
                time += lasts

    def _decoded(self, stream: Stream) -> Iterator[av.VideoFrame | av.AudioFrame | None]:
        waiting = self._waiting[stream.index]
        while True:
            while not waiting and not self._at_end:
                if self._waiting_bytes >= self._max_packets_bytes:
                    yield None
                else:
                    self._read_packet()
            if not waiting:
                break
            packet = waiting.popleft()
            self._waiting_bytes -= packet.size
            yield from self._decode(stream, packet)
        yield from self._decode(stream, None)

    def _read_packet(self) -> None:
        try:
            packet = next(self._packets, None)
        except av.FFmpegError as error:
            self.damage = f"reading stopped: {error.strerror}"
            packet = None
        if packet is None:
            self._at_end = True
        elif packet.size:  # those without are PyAV's way to say that the end is near
            self._waiting[packet.stream_index].append(packet)
            self._waiting_bytes += packet.size

    def _decode(
        self, stream: Stream, packet: "Packet[Stream] | None"
    ) -> list[av.VideoFrame] | list[av.AudioFrame]:
        try:
            if isinstance(stream, VideoStream):
                return stream.decode(packet)
            return stream.decode(packet) if isinstance(stream, AudioStream) else []
        except av.FFmpegError as error:
            self.damage = self.damage or f"{stream.type} could not be decoded: {error.strerror}"
            return []
