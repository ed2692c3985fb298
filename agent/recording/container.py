"""A media file that is safe from a crash while it grows.

A part is Matroska in clusters of at most a second, each written out as it ends. Whatever kills
the process, what is on the disk plays up to the last of them.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from agent.errors import WriteError
from agent.media import OPUS_CLOCK_RATE, Codec, EncodedFrame, Kind
from agent.recording.sink import FileSink

Container = Literal["mkv", "mp4", "webm"]

_MILLISECOND: Final = Fraction(1, 1000)  # Matroska's clock
EARLIEST_MS: Final = {Kind.VIDEO: 0, Kind.AUDIO: -7}  # sound is ahead by the encoder's delay
_BUFFER_BYTES: Final = 1 << 18
NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})

_PART_OPTIONS: Final = {
    "cluster_time_limit": "1000",
    "flush_packets": "1",
    # A muted camera must not hold back the sound: by default that is 10 s, all lost in a crash.
    "max_interleave_delta": "300000",
}
_FORMATS: Final[Mapping[Container, str]] = {"mkv": "matroska", "mp4": "mp4", "webm": "webm"}


class Part:
    """One file being written, by one thread.

    Its streams are fixed at the start. Pictures may change their size: the header keeps the
    first one, decoders take it from the key frames.

    Attributes:
        start_s: Where the file's time 0 lies on the recording's timeline.
        end_s: Where its last frame ends, on the same.
        moved: Frames that were not later than the one before, and are written 1 ms after it.
    """

    def __init__(
        self,
        path: Path,
        *,
        start_s: float,
        video: EncodedFrame | None = None,
        audio: EncodedFrame | None = None,
        audio_channels: int | None = None,
        tags: Mapping[str, str] = NO_TAGS,
    ) -> None:
        """Create the file. ``video`` and ``audio`` only declare what will be written.

        Args:
            path: Must not exist.
            start_s: No frame should be earlier.
            video: The key frame that will be the first; its stream ends up unplayable if
                another one is.
            audio: Any packet of the sound.
            audio_channels: Of the sound; by default as ``audio`` has it.
            tags: Such as ``title`` and ``date``.

        Raises:
            ValueError: Neither is given, or ``video`` is no key frame of known size.
            WriteError: The file can't be created.
        """
        if video is None and audio is None:
            raise ValueError("a file needs a stream: give the first frame of video, audio or both")
        if video is not None and not (video.key and video.width and video.height):
            raise ValueError("a video stream begins with a key frame whose size is known")
        self.start_s = start_s
        self.end_s = start_s
        self.moved = 0
        self._path = path
        self._sink = FileSink(path)
        self._container = create_output(self._sink, "mkv", _PART_OPTIONS, tags)
        self._streams: dict[Kind, Stream] = {}
        self._codecs: dict[Kind, Codec] = {}
        self._next_ms = dict(EARLIEST_MS)
        self._closed = False
        if video is not None:
            self._codecs[Kind.VIDEO] = video.codec
            self._streams[Kind.VIDEO] = self._container.add_mux_stream(
                video.codec.value,
                width=video.width,
                height=video.height,
                time_base=_MILLISECOND,
            )
        if audio is not None:
            channels = audio_channels or _opus_channels(audio.data)
            self._codecs[Kind.AUDIO] = audio.codec
            self._streams[Kind.AUDIO] = _add_opus(self._container, channels)

    @property
    def path(self) -> Path:
        """Where it is written."""
        return self._path

    @property
    def duration_s(self) -> float:
        """From the file's time 0 to the end of its last frame."""
        return self.end_s - self.start_s

    def write(self, frame: EncodedFrame, *, time_s: float) -> None:
        """Write a frame that begins at ``time_s`` of the recording.

        Raises:
            ValueError: The frame isn't of a stream that was declared, or the part is closed.
            WriteError: The file can't be written any further. What is written stays; further
                calls raise it again.
        """
        kind = frame.codec.kind
        if self._codecs.get(kind) is not frame.codec:
            msg = f"{self._path.name} has no {frame.codec} stream"
            raise ValueError(msg)
        if self._closed:
            msg = f"{self._path.name} is closed"
            raise ValueError(msg)
        # Half a millisecond goes down: an encoder's delay, 6.5 ms, counts as 7 in Matroska.
        at_ms = ceil(round((time_s - self.start_s) * 1000, 3) - 0.5)
        if at_ms < self._next_ms[kind]:
            self.moved += 1
            at_ms = self._next_ms[kind]
        self._next_ms[kind] = at_ms + 1
        duration_ms = round(Fraction(frame.duration, frame.clock_rate) / _MILLISECOND)
        packet: Packet[Stream] = av.Packet(frame.data)
        packet.is_keyframe = frame.key
        put(packet, self._streams[kind], at_ms, duration_ms)
        mux(packet, self._container, self._sink)
        self.end_s = max(self.end_s, self.start_s + (at_ms + duration_ms) / 1000)

    def close(self) -> None:
        """Write index and duration, and sync. Idempotent.

        Raises:
            WriteError: That fails, and :meth:`write` hasn't already told so. What is written
                stays.
        """
        if self._closed:
            return
        self._closed = True
        told = self._sink.error is not None
        finish(self._container, self._sink)
        if self._sink.error is not None and not told:
            raise self._sink.error


def create_output(
    sink: FileSink, container: Container, options: dict[str, str], tags: Mapping[str, str]
) -> OutputContainer:
    """Begin a file of which only the streams are missing."""
    output = av.open(
        sink,
        "w",
        format=_FORMATS[container],
        container_options=options,
        buffer_size=_BUFFER_BYTES,
    )
    output.metadata.update(tags)
    return output


def _add_opus(container: OutputContainer, channels: int) -> Stream:
    """Add a stream whose header is that of an encoder like ours, which encodes nothing."""
    layout = "mono" if channels == 1 else "stereo"
    return container.add_stream("libopus", rate=OPUS_CLOCK_RATE, layout=layout)


def _opus_channels(packet: bytes) -> int:
    """Return 1 or 2, as the packet's first byte says (RFC 6716, section 3.1)."""
    return 2 if packet[0] & 0x04 else 1


def put(packet: "Packet[Stream]", stream: Stream, at_ms: int, duration_ms: int) -> None:
    """Give a packet its place; nothing of WebRTC is decoded in another order than shown."""
    packet.stream = stream
    packet.time_base = _MILLISECOND
    packet.pts = packet.dts = at_ms
    packet.duration = duration_ms


def mux(packet: "Packet[Stream]", container: OutputContainer, sink: FileSink) -> None:
    """Write a packet.

    Raises:
        WriteError: That fails, or failed before.
    """
    try:
        if sink.error is None:
            container.mux_one(packet)
    except av.FFmpegError as error:
        reason = f"a frame was refused: {error.strerror}"
        raise WriteError(Path(sink.name), reason) from error
    if sink.error is not None:
        raise sink.error


def finish(container: OutputContainer, sink: FileSink) -> None:
    """Write the end of the file, sync and close it; failures go to the sink's ``error``."""
    try:
        container.close()
    except av.FFmpegError as error:
        if sink.error is None:
            sink.error = WriteError(Path(sink.name), error.strerror or str(error))
    finally:
        sink.close()
