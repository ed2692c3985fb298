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
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from agent.errors import MediaFileError
from agent.media import Kind
from agent.tracks.conversion import SoundConverter

MAX_PACKETS_BYTES = 64 << 20
"""How much of one track is read, undecoded, in search of the next packet of the other."""

_PREROLL_S = Fraction(1, 10)
"""How much before the start reading begins: sound codecs need it to get going."""

_ONE_THREAD_PIXELS_PER_S = 1920 * 1080 * 30
_USUAL_FRAME_S = Fraction(1, 25)

_LENGTH_IS_MEANT = frozenset({"mov", "mp4", "matroska", "webm"})
"""Formats whose length is written when all is; others guess it from size and bit rate."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds, as far as its head tells.

    Attributes:
        kinds: Of the tracks that are read.
        pixel_aspect: Width of a pixel over its height; 0 where the file doesn't tell.
        fps: On average; 0 where the file doesn't tell.
        channels: Of the sound that is given out: 1 or 2; 0 without sound.
        length_s: Of the file; ``None`` where it doesn't tell.
        promised_s: When the last of these tracks ends if nothing of the file lacks; ``None``
            where that is a guess.
    """

    kinds: frozenset[Kind]
    pixel_aspect: Fraction
    fps: Fraction
    channels: int
    length_s: Fraction | None
    promised_s: Fraction | None


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

    def __init__(self, path: Path, kinds: Collection[Kind], start_s: Fraction) -> None:
        """Open ``path`` to read its tracks of ``kinds``, each at most one, from ``start_s``.

        Raises:
            MediaFileError: If it can't be opened, or has none of ``kinds``.
        """
        self.damage = ""
        self._container = _opened(path)
        self._video = _best(self._container, self._container.streams.video, kinds, Kind.VIDEO)
        self._audio = _best(self._container, self._container.streams.audio, kinds, Kind.AUDIO)
        streams = [stream for stream in (self._video, self._audio) if stream is not None]
        if not streams:
            found = ", ".join(sorted({stream.type for stream in self._container.streams}))
            self._container.close()
            wanted = " and no ".join(sorted(kinds, reverse=True))
            reason = f"it has no {wanted} that can be decoded; it has {found or 'nothing at all'}"
            raise MediaFileError(path, reason)
        self.contents = _contents(self._container, self._video, self._audio)
        beginnings = [_seconds(stream, stream.start_time) for stream in streams]
        self._zero = min(beginnings) + start_s
        if start_s > 0:
            # Where that fails, what comes before is decoded and left out all the same.
            with suppress(av.FFmpegError):
                self._container.seek(int((self._zero - _PREROLL_S) * av.time_base))
        self._packets = self._container.demux(streams)
        self._waiting: dict[int, deque[Packet[Stream]]] = {s.index: deque() for s in streams}
        self._waiting_bytes = 0
        self._at_end = False

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
        stream = self._audio
        if stream is None:
            return
        converter = SoundConverter(self.contents.channels)
        for frame in self._decoded(stream):
            if frame is None:
                yield None
            elif isinstance(frame, av.AudioFrame):
                time = None if frame.pts is None else _seconds(stream, frame.pts) - self._zero
                yield from converter.convert(frame, time)
        yield from converter.finish()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._container.close()

    def _timed(self) -> Iterator[Picture | None]:
        stream = self._video
        if stream is None:
            return
        usual = 1 / self.contents.fps if self.contents.fps else _USUAL_FRAME_S
        time = -self._zero
        for frame in self._decoded(stream):
            if frame is None:
                yield None
            elif isinstance(frame, av.VideoFrame):
                if frame.pts is not None:
                    time = _seconds(stream, frame.pts) - self._zero
                lasts = _seconds(stream, frame.duration) or usual
                yield Picture(time, time + lasts, frame)
                time += lasts

    def _decoded(self, stream: Stream) -> Iterator[av.VideoFrame | av.AudioFrame | None]:
        waiting = self._waiting[stream.index]
        while True:
            while not waiting and not self._at_end:
                if self._waiting_bytes >= MAX_PACKETS_BYTES:
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


def _opened(path: Path) -> InputContainer:
    try:
        if not path.exists():
            raise MediaFileError(path, "there is no such file")
        if not path.is_file():
            raise MediaFileError(path, "it is not a file")
        if not path.stat().st_size:
            raise MediaFileError(path, "it is empty")
        # Said outright, so that neither a name nor a playlist makes libav ask the network.
        return av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="ignore"
        )
    except PermissionError:
        raise MediaFileError(path, "reading it is not permitted") from None
    except (av.FFmpegError, OSError) as error:
        reason = f"it is no media file, or cut off so early that nothing tells ({error.strerror})"
        raise MediaFileError(path, reason) from error


def _best(
    container: InputContainer,
    streams: tuple[VideoStream, ...] | tuple[AudioStream, ...],
    kinds: Collection[Kind],
    kind: Kind,
) -> VideoStream | AudioStream | None:
    """Return the stream to read; a cover picture is none."""
    if kind not in kinds:
        return None
    usable = [
        stream
        for stream in streams
        # Without a decoder there is no context, whatever the stubs say.
        if stream.codec_context is not None  # type: ignore[redundant-expr]
        and not stream.disposition & Disposition.attached_pic
    ]
    best = container.streams.best(kind.value)
    return next((stream for stream in usable if stream is best), usable[0] if usable else None)


def _contents(
    container: InputContainer,
    video: VideoStream | AudioStream | None,
    audio: VideoStream | AudioStream | None,
) -> Contents:
    kinds = set()
    aspect = fps = Fraction(0)
    channels = 0
    if isinstance(video, VideoStream):
        kinds.add(Kind.VIDEO)
        aspect = Fraction(video.sample_aspect_ratio or 0)
        fps = Fraction(video.average_rate or video.guessed_rate or 0)
        easy = video.width * video.height * (fps or 25) <= _ONE_THREAD_PIXELS_PER_S
        video.thread_type = "SLICE" if easy else "AUTO"
        video.thread_count = 1 if easy else 0
    if isinstance(audio, AudioStream):
        kinds.add(Kind.AUDIO)
        channels = min(2, audio.codec_context.channels)
    length_s = _length(container)
    return Contents(
        kinds=frozenset(kinds),
        pixel_aspect=aspect,
        fps=fps,
        channels=channels,
        length_s=length_s,
        promised_s=_promised(container, [s for s in (video, audio) if s is not None], length_s),
    )


def _length(container: InputContainer) -> Fraction | None:
    if container.duration is None:
        return None
    # Matroska counts from 0, wherever its tracks start; the others from there.
    before = container.start_time if "matroska" in container.format.name else 0
    return Fraction(container.duration - before, av.time_base)


def _promised(
    container: InputContainer, streams: list[VideoStream | AudioStream], length_s: Fraction | None
) -> Fraction | None:
    if _LENGTH_IS_MEANT.isdisjoint(container.format.name.split(",")):
        return None
    ends = [
        _seconds(stream, stream.start_time) + _seconds(stream, stream.duration)
        for stream in streams
        if stream.duration is not None
    ]
    if len(ends) == len(streams):
        return max(ends) - min(_seconds(stream, stream.start_time) for stream in streams)
    others = [s for s in container.streams if s.type in set(Kind) and s not in streams]
    return None if others else length_s


def _seconds(stream: Stream, ticks: int | None) -> Fraction:
    # Not the frame's own time base: the last ones out of a decoder have none.
    return (ticks or 0) * (stream.time_base or Fraction(0))
