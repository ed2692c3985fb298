"""Whether a media file is what it is said to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

import av
from av.packet import Packet
from av.stream import Stream

from agent.media import Codec, Kind
from agent.recording.scan import (
    Gap,
    PacketReader,
    StreamScan,
    UnreadableError,
    codec_of,
    media_streams,
    open_media,
    packet_duration_s,
    packet_time_s,
)
from agent.recording.sink import digest

Depth = Literal["quick", "full"]

TOLERANCE_S: Final = 0.1
"""How far starts and ends may lie from where they are expected: a few frames, and what the
rounding of a container adds."""

GAP_EDGE_S: Final = 0.3
"""How much further than expected a gap may reach: the network's and the decoder's buffers."""

_BACKWARD_LISTED: Final = 3


@dataclass(frozen=True, slots=True)
class StreamExpectation:
    """What a file should have of one kind; all times in seconds of the file.

    Attributes:
        end_s: At least up to here: black or silence may follow, to the end of the file.
        gaps: Where it may have nothing; whether it has is not checked.
        may_stand_still: Whether it may have nothing anywhere, as a shared screen may.
    """

    kind: Kind
    codec: Codec
    start_s: float
    end_s: float
    gaps: tuple[Gap, ...] = ()
    may_stand_still: bool = False


@dataclass(frozen=True, slots=True)
class FileExpectation:
    """What a file should be; ``None`` is not checked."""

    streams: tuple[StreamExpectation, ...]
    duration_s: float | None = None
    bytes: int | None = None
    sha256: str | None = None


class FindingKind(StrEnum):
    """What is wrong."""

    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    SIZE = "size"
    HASH = "hash"
    STREAM_MISSING = "stream_missing"
    STREAM_UNEXPECTED = "stream_unexpected"
    CODEC = "codec"
    START = "start"
    END = "end"
    DURATION = "duration"
    ORDER = "order"
    GAP = "gap"
    NO_KEY_FRAME = "no_key_frame"
    DECODING = "decoding"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        text: The same as a sentence's end, to be read after the file's name.
        stream: Which kind it is about, if not the whole file.
        at_s: Where in the file, if at one place.
    """

    path: Path
    kind: FindingKind
    text: str
    stream: Kind | None = None
    at_s: float | None = None

    def __str__(self) -> str:
        return f"{self.path.name} {self.text}"


@dataclass(slots=True)
class FileReport:
    """What a check found.

    Attributes:
        streams: What there is of each kind.
        pictures_decoded: How many pictures were decoded without an error.
        samples_decoded: How many samples, in each channel.
        bytes: The file's size.
        sha256: Its hash, or empty if that wasn't asked for.
    """

    path: Path
    depth: Depth
    findings: list[Finding] = field(default_factory=list)
    streams: dict[Kind, StreamScan] = field(default_factory=dict)
    pictures_decoded: int = 0
    samples_decoded: int = 0
    bytes: int = 0
    sha256: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def find(
        self,
        kind: FindingKind,
        text: str,
        *,
        stream: Kind | None = None,
        at_s: float | None = None,
    ) -> None:
        """Add a finding."""
        self.findings.append(Finding(self.path, kind, text, stream, at_s))


def check_file(path: Path, expected: FileExpectation, depth: Depth = "quick") -> FileReport:
    """Compare a file with what is expected of it.

    ``quick`` reads it all, checks size, hash, times and continuity, and decodes the key
    frames; ``full`` decodes everything. Whatever is wrong is a finding: nothing is raised.
    """
    report = FileReport(path, depth)
    try:
        report.bytes = path.stat().st_size
        if expected.sha256 is not None:
            report.sha256 = digest(path)
    except OSError as error:
        report.find(FindingKind.UNREADABLE, f"can't be read: {error.strerror}")
        return report
    _check_bytes(report, expected)
    try:
        _read(report, depth)
    except UnreadableError as error:
        report.find(FindingKind.UNREADABLE, f"can't be read as media: {error.reason}")
        return report
    _check_streams(report, expected)
    return report


def _check_bytes(report: FileReport, expected: FileExpectation) -> None:
    if expected.bytes is not None and report.bytes != expected.bytes:
        text = f"has {report.bytes} bytes instead of {expected.bytes}"
        report.find(FindingKind.SIZE, text)
    if expected.sha256 is not None and report.sha256 != expected.sha256:
        report.find(FindingKind.HASH, "is not the file that was written: its SHA-256 differs")


def _read(report: FileReport, depth: Depth) -> None:
    with open_media(report.path) as container:
        streams = media_streams(container)
        kinds = {stream.index: kind for kind, stream in streams.items()}
        report.streams = {kind: StreamScan(kind, codec_of(it)) for kind, it in streams.items()}
        decoders = {kind: _Decoder(stream, report, kind) for kind, stream in streams.items()}
        packets = PacketReader(container, list(streams.values()))
        for packet in packets:
            kind = kinds[packet.stream_index]
            at_s = packet_time_s(packet)
            report.streams[kind].add(at_s, packet_duration_s(packet), key=packet.is_keyframe)
            if depth == "full":
                decoders[kind].decode(packet, at_s)
            elif kind is Kind.VIDEO and packet.is_keyframe:
                decoders[kind].decode_alone(packet, at_s)
        if depth == "full":
            for decoder in decoders.values():
                decoder.flush()
        if packets.damage:
            at_s = max((stream.end_s for stream in report.streams.values()), default=0.0)
            text = f"is damaged at {at_s:.1f} s: {packets.damage}"
            report.find(FindingKind.DAMAGED, text, at_s=at_s)


class _Decoder:
    """Decodes one stream and reports the first place where that fails."""

    def __init__(self, stream: Stream, report: FileReport, kind: Kind) -> None:
        self._stream = stream
        self._report = report
        self._kind = kind
        self._failures = 0
        if kind is Kind.VIDEO:
            # By default errors are painted over: that is for watching, not for checking.
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}

    def decode(self, packet: "Packet[Stream] | None", at_s: float) -> None:
        try:
            frames = self._stream.codec_context.decode(packet)  # type: ignore[attr-defined]
        except av.FFmpegError:
            self._failed(at_s)
            return
        for frame in frames:
            if self._kind is Kind.AUDIO:
                self._report.samples_decoded += frame.samples
            elif frame.is_corrupt:
                self._failed(at_s)
            else:
                self._report.pictures_decoded += 1

    def decode_alone(self, packet: "Packet[Stream]", at_s: float) -> None:
        self._stream.codec_context.flush_buffers()
        self.decode(packet, at_s)
        self.decode(None, at_s)

    def flush(self) -> None:
        self.decode(None, self._report.streams[self._kind].end_s)

    def _failed(self, at_s: float) -> None:
        self._failures += 1
        if self._failures == 1:
            text = f"has {self._kind} that can't be decoded at {at_s:.1f} s"
            self._report.find(FindingKind.DECODING, text, stream=self._kind, at_s=at_s)


def _check_streams(report: FileReport, expected: FileExpectation) -> None:
    wanted: Mapping[Kind, StreamExpectation] = {it.kind: it for it in expected.streams}
    for kind in wanted.keys() - report.streams.keys():
        report.find(FindingKind.STREAM_MISSING, f"has no {kind}", stream=kind)
    for kind, found in report.streams.items():
        if kind not in wanted:
            text = f"has {kind}, which nobody published"
            report.find(FindingKind.STREAM_UNEXPECTED, text, stream=kind)
            continue
        if not found.packets:
            report.find(FindingKind.STREAM_MISSING, f"has no {kind}", stream=kind)
            continue
        _check_stream(report, found, wanted[kind])
    end_s = max((found.end_s for found in report.streams.values()), default=0.0)
    if expected.duration_s is not None and abs(end_s - expected.duration_s) > TOLERANCE_S:
        text = f"lasts {end_s:.2f} s instead of {expected.duration_s:.2f} s"
        report.find(FindingKind.DURATION, text)


def _check_stream(report: FileReport, found: StreamScan, wanted: StreamExpectation) -> None:
    kind = wanted.kind
    if found.codec is not wanted.codec:
        text = f"has {kind} in {found.codec or 'an unknown codec'} instead of {wanted.codec}"
        report.find(FindingKind.CODEC, text, stream=kind)
    for at_s in found.backward_s[:_BACKWARD_LISTED]:
        text = f"has {kind} that goes back in time at {at_s:.3f} s"
        report.find(FindingKind.ORDER, text, stream=kind, at_s=at_s)
    if abs(found.start_s - wanted.start_s) > TOLERANCE_S:
        text = f"has {kind} from {found.start_s:.2f} s on instead of {wanted.start_s:.2f} s"
        report.find(FindingKind.START, text, stream=kind, at_s=found.start_s)
    if found.end_s < wanted.end_s - TOLERANCE_S:
        text = f"has {kind} up to {found.end_s:.2f} s instead of {wanted.end_s:.2f} s"
        report.find(FindingKind.END, text, stream=kind, at_s=found.end_s)
    for gap in found.gaps:
        if not wanted.may_stand_still and not _is_covered(gap, wanted.gaps):
            text = f"has no {kind} from {gap.start_s:.2f} to {gap.end_s:.2f} s"
            report.find(FindingKind.GAP, text, stream=kind, at_s=gap.start_s)
    if kind is Kind.VIDEO and not found.keys:
        report.find(FindingKind.NO_KEY_FRAME, "has no key frame to start at", stream=kind)


def _is_covered(gap: Gap, allowed: tuple[Gap, ...]) -> bool:
    return any(
        gap.start_s >= it.start_s - GAP_EDGE_S and gap.end_s <= it.end_s + GAP_EDGE_S
        for it in allowed
    )
