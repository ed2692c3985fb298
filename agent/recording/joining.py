"""One file made of parts, each with its place on the recording's timeline."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from agent.errors import UnsupportedError
from agent.media import Codec, Kind
from agent.recording.container import (
    EARLIEST_MS,
    NO_TAGS,
    Container,
    create_output,
    finish,
    mux,
    put,
)
from agent.recording.scan import (
    PacketReader,
    Scan,
    UnreadableError,
    codec_of,
    media_streams,
    open_media,
    packet_duration_s,
    packet_time_s,
    scan,
)
from agent.recording.sink import FileSink, digest, sync_folder, write_error

_CARRIES: Final[Mapping[Container, frozenset[Codec]]] = {
    "mkv": frozenset(Codec),
    # libav writes VP9 without its configuration, which players then refuse.
    "mp4": frozenset({Codec.H264, Codec.H265, Codec.AV1, Codec.OPUS}),
    "webm": frozenset({Codec.VP8, Codec.VP9, Codec.AV1, Codec.OPUS}),
}


_NOMINAL_PICTURE_MS: Final = 33


class MixedCodecsError(UnsupportedError):
    """Raised when parts can't become one file without being encoded again."""

    def __init__(self, kind: Kind, codecs: tuple[str, ...]) -> None:
        super().__init__(kind, codecs)
        self.kind = kind
        self.codecs = codecs

    def __str__(self) -> str:
        return f"the parts' {self.kind} is {' and '.join(self.codecs)}: it has to stay in parts"


@dataclass(frozen=True, slots=True)
class Placed:
    """A file and where its time 0 lies on the recording's timeline."""

    path: Path
    start_s: float


@dataclass(frozen=True, slots=True)
class Joined:
    """One file made of parts.

    Attributes:
        start_s: Where its time 0 lies on the recording's timeline.
        duration_s: To the end of its last packet.
        dropped: Packets of sound that overlapped with those of the part before.
        sha256: In hexadecimal.
    """

    path: Path
    start_s: float
    duration_s: float
    bytes: int
    sha256: str
    dropped: int


def join(
    parts: Sequence[Placed],
    destination: Path,
    *,
    container: Container = "mkv",
    tags: Mapping[str, str] = NO_TAGS,
) -> Joined:
    """Make one file of parts, without encoding anything again.

    A stream that only some parts have begins where the first of these does. Parts may lie as a
    crash left them. ``destination`` appears when it is complete, and replaces what was there;
    the parts stay. MP4 has its index at the front.

    Raises:
        MixedCodecsError: A kind changes its codec from part to part.
        UnsupportedError: ``container`` can't carry a codec.
        UnreadableError: A part has no media.
        WriteError: ``destination`` can't be written; what was there stays.
    """
    ordered = sorted(parts, key=lambda part: part.start_s)
    temporary = destination.with_name(f"{destination.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)
    except OSError as error:  # a folder
        raise write_error(temporary, error) from error
    sink = FileSink(temporary)
    options = {"movflags": "+faststart"} if container == "mp4" else {}
    output = create_output(sink, container, options | {"max_interleave_delta": "1000000"}, tags)
    try:
        copier = _Copier(output, _declare(ordered, output, container), sink)
        copier.copy(
            (part.path, round((part.start_s - ordered[0].start_s) * 1000)) for part in ordered
        )
        finish(output, sink)
        if sink.error is not None:
            raise sink.error
        sha256 = digest(temporary)
        size = temporary.stat().st_size
        temporary.replace(destination)
        sync_folder(destination.parent)
    except OSError as error:
        raise write_error(destination, error) from error
    finally:
        sink.close()
        temporary.unlink(missing_ok=True)
    return Joined(
        destination, ordered[0].start_s, copier.end_ms / 1000, size, sha256, copier.dropped
    )


def salvage(path: Path) -> Scan:
    """Return what can be read of a part that lies as a crash left it; maybe nothing."""
    try:
        return scan(path)
    except UnreadableError as error:
        return Scan({}, None, error.reason)


class _Copier:
    """Copies the packets of all parts, in the order of their times, into the output's streams.

    Parts follow each other but may overlap a little: the first picture of one can be later than
    the first sound of the next.
    """

    def __init__(
        self, output: OutputContainer, streams: Mapping[Kind, Stream], sink: FileSink
    ) -> None:
        self.end_ms = 0
        self.dropped = 0
        self._output = output
        self._streams = streams
        self._sink = sink
        self._next_ms = dict(EARLIEST_MS)

    def copy(self, parts: Iterable[tuple[Path, int]]) -> None:
        with ExitStack() as open_parts:
            packets = [self._packets(path, offset, open_parts) for path, offset in parts]
            for at_ms, kind, packet in heapq.merge(*packets, key=itemgetter(0)):
                self._copy(packet, kind, at_ms)

    @staticmethod
    def _packets(
        path: Path, offset_ms: int, open_parts: ExitStack
    ) -> "Iterator[tuple[int, Kind, Packet[Stream]]]":
        part = open_parts.enter_context(open_media(path))
        streams = media_streams(part)
        kinds = {stream.index: kind for kind, stream in streams.items()}
        for packet in PacketReader(part, list(streams.values())):
            at_ms = round(packet_time_s(packet) * 1000) + offset_ms
            yield at_ms, kinds[packet.stream_index], packet

    def _copy(self, packet: "Packet[Stream]", kind: Kind, at_ms: int) -> None:
        if at_ms < self._next_ms[kind]:
            if kind is Kind.AUDIO:
                self.dropped += 1
                return
            at_ms = self._next_ms[kind]  # without it the pictures after it are spoilt
        self._next_ms[kind] = at_ms + 1
        # MP4 leaves out a last picture that lasts no time, and most codecs don't tell.
        duration_ms = round(packet_duration_s(packet) * 1000) or _NOMINAL_PICTURE_MS
        self.end_ms = max(self.end_ms, at_ms + duration_ms)
        put(packet, self._streams[kind], at_ms, duration_ms)
        mux(packet, self._output, self._sink)


def _declare(
    parts: Sequence[Placed], output: OutputContainer, container: Container
) -> dict[Kind, Stream]:
    """Add a stream for each kind that any part has, described as in the first that has it."""
    codecs: dict[Kind, Codec | None] = {}
    streams: dict[Kind, Stream] = {}
    for part in parts:
        with open_media(part.path) as source:
            for kind, stream in media_streams(source).items():
                codec = codec_of(stream)
                if kind in codecs:
                    if codec != codecs[kind]:
                        raise MixedCodecsError(kind, (str(codecs[kind]), str(codec)))
                    continue
                if codec is None or codec not in _CARRIES[container]:
                    msg = f"{container} can't carry {codec or 'this codec'}; mkv can"
                    raise UnsupportedError(msg)
                codecs[kind] = codec
                streams[kind] = output.add_stream_from_template(stream, opaque=True)
    return streams
