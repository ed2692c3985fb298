"""What lies in a media file, found by reading every packet of it and decoding none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from agent.errors import MediaLossError
from agent.media import Codec, Kind

GAP_S: Final = {Kind.AUDIO: 0.06, Kind.VIDEO: 1.5}
"""From how long a stretch without packets is a gap: sound comes without holes, and black at
least once a second where there are no pictures."""

_LAST_PICTURE_S: Final = 0.1  # at most, for a picture whose successor never came


class UnreadableError(MediaLossError):
    """Raised when a file has nothing at all that can be read as media."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} can't be read as media: {self.reason}"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a file without packets of one kind, in seconds of the file."""

    start_s: float
    end_s: float


@dataclass(slots=True)
class StreamScan:
    """What there is of one kind.

    Attributes:
        codec: ``None`` if it is none of ours.
        packets: Their number.
        keys: How many of them can be decoded alone.
        start_s: When the first begins, in seconds of the file.
        end_s: When the last ends.
        gaps: Stretches longer than :data:`GAP_S`.
        backward_s: When a packet was not later than the one before it.
    """

    kind: Kind
    codec: Codec | None
    packets: int = 0
    keys: int = 0
    start_s: float = 0.0
    end_s: float = 0.0
    gaps: list[Gap] = field(default_factory=list)
    backward_s: list[float] = field(default_factory=list)
    _last_s: float = 0.0

    def add(self, at_s: float, duration_s: float, *, key: bool) -> None:
        """Take note of a packet."""
        if not self.packets:
            self.start_s = at_s
        elif at_s <= self._last_s:
            self.backward_s.append(at_s)
        elif at_s - self.end_s > GAP_S[self.kind]:
            self.gaps.append(Gap(self.end_s, at_s))
        if self.kind is Kind.VIDEO and not duration_s and self.packets:
            duration_s = min(max(at_s - self._last_s, 0.0), _LAST_PICTURE_S)
        self.packets += 1
        self.keys += key
        self._last_s = at_s
        self.end_s = max(self.end_s, at_s + duration_s)


@dataclass(frozen=True, slots=True)
class Scan:
    """What there is in a file.

    Attributes:
        streams: One for each kind.
        duration_s: As the header has it; ``None`` if the writer never came back to fill it in.
        damage: Why reading ended before the end of the file; empty if it did not.
    """

    streams: dict[Kind, StreamScan]
    duration_s: float | None
    damage: str

    @property
    def packets(self) -> int:
        """Number of packets of all kinds."""
        return sum(stream.packets for stream in self.streams.values())

    @property
    def end_s(self) -> float:
        """When the last packet of any kind ends, in seconds of the file."""
        return max((stream.end_s for stream in self.streams.values()), default=0.0)


def open_media(path: Path) -> InputContainer:
    """Open a file for reading.

    Raises:
        UnreadableError: It isn't there, is empty or no media.
    """
    try:
        return av.open(str(path), "r")
    except av.FFmpegError as error:
        raise UnreadableError(path, error.strerror or str(error)) from error
    except OSError as error:
        raise UnreadableError(path, error.strerror or str(error)) from error


class PacketReader:
    """The packets of an open file up to its end, or to where a crash left it.

    Attributes:
        damage: Why reading ended early; empty if it did not.
    """

    def __init__(self, container: InputContainer, streams: list[Stream]) -> None:
        self.damage = ""
        self._container = container
        self._streams = streams

    def __iter__(self) -> Iterator["Packet[Stream]"]:
        try:
            for packet in self._container.demux(*self._streams):
                if packet.size and packet.pts is not None:
                    yield packet
        except av.FFmpegError as error:
            self.damage = error.strerror or str(error)


def media_streams(container: InputContainer) -> dict[Kind, Stream]:
    """Return the first stream of each kind."""
    found: dict[Kind, Stream] = {}
    if container.streams.video:
        found[Kind.VIDEO] = container.streams.video[0]
    if container.streams.audio:
        found[Kind.AUDIO] = container.streams.audio[0]
    return found


def codec_of(stream: Stream) -> Codec | None:
    """Return how a stream is encoded; ``None`` if it is none of ours."""
    name = stream.codec_context.codec.canonical_name
    return Codec(name) if name in list(Codec) else None


def packet_time_s(packet: "Packet[Stream]") -> float:
    """Return when a packet begins, in seconds of the file."""
    return float((packet.pts or 0) * packet.time_base)


def packet_duration_s(packet: "Packet[Stream]") -> float:
    """Return how long a packet lasts, in seconds; 0 if only the next one tells."""
    return float((packet.duration or 0) * packet.time_base)


def scan(path: Path) -> Scan:
    """Read every packet of a file; a torn end is no error.

    Raises:
        UnreadableError: There is nothing to read.
    """
    with open_media(path) as container:
        streams = media_streams(container)
        scans = {kind: StreamScan(kind, codec_of(stream)) for kind, stream in streams.items()}
        kinds = {stream.index: kind for kind, stream in streams.items()}
        packets = PacketReader(container, list(streams.values()))
        for packet in packets:
            scans[kinds[packet.stream_index]].add(
                packet_time_s(packet), packet_duration_s(packet), key=packet.is_keyframe
            )
        duration_s = None if container.duration is None else container.duration / av.time_base
    return Scan(scans, duration_s, packets.damage)
