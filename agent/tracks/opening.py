"""Opening a media file, and finding out what is in it."""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from agent.errors import MediaFileError
from agent.media import Kind

_ONE_THREAD_PIXELS_PER_S = 1920 * 1080 * 30

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
class Opened:
    """An open file and the tracks of it that are to be read, at most one of a kind."""

    container: InputContainer
    video: VideoStream | None
    audio: AudioStream | None
    contents: Contents

    @property
    def streams(self) -> list[VideoStream | AudioStream]:
        """Those that are there."""
        return [stream for stream in (self.video, self.audio) if stream is not None]

    @property
    def beginning(self) -> Fraction:
        """Where the earliest track starts, in seconds of the file's own time."""
        return min(seconds(stream, stream.start_time) for stream in self.streams)


StreamT = TypeVar("StreamT", VideoStream, AudioStream)


def opened(path: Path, kinds: Collection[Kind]) -> Opened:
    """Open ``path`` for the best track of each of ``kinds``.

    Raises:
        MediaFileError: If it can't be opened, or has none of them.
    """
    with ExitStack() as failing:
        container = failing.enter_context(_container(path))
        video = _best(container, container.streams.video) if Kind.VIDEO in kinds else None
        audio = _best(container, container.streams.audio) if Kind.AUDIO in kinds else None
        if video is None and audio is None:
            found = ", ".join(sorted({stream.type for stream in container.streams}))
            wanted = " and no ".join(sorted(kinds, reverse=True))
            reason = f"it has no {wanted} that can be decoded; it has {found or 'nothing at all'}"
            raise MediaFileError(path, reason)
        file = Opened(container, video, audio, _contents(container, video, audio))
        failing.pop_all()
    return file


def seconds(stream: Stream, ticks: int | None) -> Fraction:
    """Return a time of ``stream`` in seconds; 0 if there is none."""
    # Not by a frame's own time base: the last ones out of a decoder have none.
    return (ticks or 0) * (stream.time_base or Fraction(0))


def _container(path: Path) -> InputContainer:
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


def _best(container: InputContainer, streams: tuple[StreamT, ...]) -> StreamT | None:
    """Return the stream to read; a cover picture is none."""
    usable = [
        stream
        for stream in streams
        # Without a decoder there is no context, whatever the stubs say.
        if stream.codec_context is not None  # type: ignore[redundant-expr]
        and not stream.disposition & Disposition.attached_pic
    ]
    if not usable:
        return None
    best = container.streams.best(usable[0].type)
    return next((stream for stream in usable if stream is best), usable[0])


def _contents(
    container: InputContainer, video: VideoStream | None, audio: AudioStream | None
) -> Contents:
    kinds = set()
    aspect = fps = Fraction(0)
    channels = 0
    if video is not None:
        kinds.add(Kind.VIDEO)
        aspect = Fraction(video.sample_aspect_ratio or 0)
        fps = Fraction(video.average_rate or video.guessed_rate or 0)
        easy = video.width * video.height * (fps or 25) <= _ONE_THREAD_PIXELS_PER_S
        video.thread_type = "SLICE" if easy else "AUTO"
        video.thread_count = 1 if easy else 0
    if audio is not None:
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
    counted_from = (container.start_time or 0) if "matroska" in container.format.name else 0
    return Fraction(container.duration - counted_from, av.time_base)


def _promised(
    container: InputContainer, streams: list[VideoStream | AudioStream], length_s: Fraction | None
) -> Fraction | None:
    if _LENGTH_IS_MEANT.isdisjoint(container.format.name.split(",")):
        return None
    ends = [
        seconds(stream, stream.start_time) + seconds(stream, stream.duration)
        for stream in streams
        if stream.duration is not None
    ]
    if len(ends) == len(streams):
        return max(ends) - min(seconds(stream, stream.start_time) for stream in streams)
    others = [s for s in container.streams if s.type in set(Kind) and s not in streams]
    return None if others else length_s
