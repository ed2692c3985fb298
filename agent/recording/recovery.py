"""What a crash left, made a recording again; and recordings checked against their manifests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import av

from agent.errors import RecordingError
from agent.media import Codec, Kind
from agent.recording.expectation import expectation_of
from agent.recording.finishing import JOINED_TAG, ContainerChoice, base_of, finish
from agent.recording.folder import PARTICIPANTS, Owned, Ownership, recordings_in
from agent.recording.joining import salvage
from agent.recording.ledger import RESERVE_NAME
from agent.recording.manifest import FileEntry, Manifest, SegmentEntry, State, Stop, TrackEntry
from agent.recording.participant_file import IDENTITY_TAG, SCREEN, START_TAG, SUFFIX_TAG
from agent.recording.scan import StreamScan
from agent.recording.verification import Depth, FileReport, check_file
from agent.room import Source

LIVE_S = 1.0
"""A track with a frame this shortly before the manifest was last written went on after it; what
the file has of another one after its end is black or silence."""

_SOURCES = {
    ("", Kind.VIDEO): Source.CAMERA,
    ("", Kind.AUDIO): Source.MICROPHONE,
    (SCREEN, Kind.VIDEO): Source.SCREEN_SHARE,
    (SCREEN, Kind.AUDIO): Source.SCREEN_SHARE_AUDIO,
}


@dataclass(frozen=True, slots=True)
class Rescue:
    """What became of one recording.

    Attributes:
        manifest: ``None`` if there was none to be read.
        owner: Who is still writing it; then nothing was touched.
        problems: Sentences on what is damaged.
    """

    folder: Path
    manifest: Manifest | None = None
    owner: str = ""
    recovered: bool = False
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of one recording found."""

    folder: Path
    manifest: Manifest
    reports: list[FileReport]
    problems: list[str]


def recover(place: Path, container: ContainerChoice = "auto") -> Iterator[Rescue]:
    """Finish every recording at or below ``place`` whose owner is gone.

    Raises:
        RecordingError: If ``place`` is no folder.
        WriteError: If a manifest can't be written.
    """
    if not place.is_dir():
        raise RecordingError(place, "there is no such folder")
    try:
        folders = list(recordings_in(place))
    except OSError as error:
        raise RecordingError(place, error.strerror or str(error)) from None
    for folder in folders:
        yield _recover(folder, container)


def verify(folder: Path, depth: Depth) -> Verdict:
    """Check every file of a recording against its manifest.

    Raises:
        RecordingError: If ``folder`` is no recording.
    """
    manifest = Manifest.load(folder)
    problems = []
    if manifest.state.is_running:
        problems.append(f"it is not finished but {manifest.state}: run roomcast recover")
    reports = [
        check_file(folder / entry.path, expectation_of(manifest, entry), depth)
        for entry in manifest.files
    ]
    for report in reports:
        problems += [str(finding) for finding in report.findings]
    listed = {entry.path for entry in manifest.files}
    problems += [
        f"{path} is listed for {track.identity} but not as a file"
        for track in manifest.tracks
        for path in track.files
        if path not in listed
    ]
    return Verdict(folder, manifest, reports, problems)


def _recover(folder: Path, container: ContainerChoice) -> Rescue:
    try:
        manifest = Manifest.load(folder)
    except RecordingError as error:
        return Rescue(folder, problems=[str(error)])
    if not manifest.state.is_running:
        return Rescue(folder, manifest)
    try:
        ownership = Ownership(folder)
    except Owned as owned:
        return Rescue(folder, manifest, owner=owned.owner)
    try:
        problems = _rebuild(folder, manifest)
        done = finish(folder, manifest, State.RECOVERED, container)
    finally:
        ownership.release()
    (folder / RESERVE_NAME).unlink(missing_ok=True)
    return Rescue(folder, manifest, recovered=True, problems=problems + done.problems)


def _rebuild(folder: Path, manifest: Manifest) -> list[str]:
    """Bring the manifest in line with the files that are really there."""
    problems: list[str] = []
    entries: list[FileEntry] = []
    for path in _parts(folder):
        scan = salvage(path)
        if not scan.packets:
            problems.append(f"{path.name} holds no media: {scan.damage or 'it is empty'}")
            continue
        tags = _tags(path)
        entry = FileEntry(
            path=path.relative_to(folder).as_posix(),
            start_s=float(tags.get(START_TAG, 0.0)),
            duration_s=round(scan.end_s, 6),
            bytes=path.stat().st_size,
            sha256="",
            container="mp4" if path.suffix == ".mp4" else "matroska",
        )
        entries.append(entry)
        for stream in scan.streams.values():
            if stream.packets:
                _extend(manifest, entry, stream, tags)
    manifest.files = entries
    end_s = max((entry.start_s + entry.duration_s for entry in entries), default=0.0)
    manifest.duration_s = round(end_s, 6)
    manifest.ended_at = manifest.started_at + timedelta(seconds=end_s)
    manifest.end_reason = manifest.end_reason or Stop.RECORDER_DOWN
    return problems


def _parts(folder: Path) -> list[Path]:
    """Return the media files, without the left-overs of a joining that was cut off."""
    files = [
        path
        for path in sorted((folder / PARTICIPANTS).iterdir())
        if path.suffix in (".mkv", ".mp4") and path.is_file() and not path.name.startswith(".")
    ]
    joined = {base_of(path.as_posix()): path for path in files if JOINED_TAG in _tags(path)}
    return [path for path in files if joined.get(base_of(path.as_posix()), path) == path]


def _tags(path: Path) -> dict[str, str]:
    try:
        with av.open(str(path)) as container:
            return {key.upper(): value for key, value in container.metadata.items()}
    except (av.FFmpegError, OSError):
        return {}


def _extend(manifest: Manifest, entry: FileEntry, stream: StreamScan, tags: dict[str, str]) -> None:
    """Let the track's entry reach as far as the file, which had the last word."""
    start_s = round(entry.start_s + stream.start_s, 6)
    end_s = round(entry.start_s + stream.end_s, 6)
    track = _track_of(manifest, entry, stream, tags)
    if track is None:
        source = _SOURCES.get((tags.get(SUFFIX_TAG, ""), stream.kind), Source.UNKNOWN)
        track = TrackEntry(
            identity=tags.get(IDENTITY_TAG, Path(base_of(entry.path)).name),
            source=source,
            kind=stream.kind,
            codec=stream.codec or Codec.H264,
            engine="sdk",
            files=[],
            start_s=start_s,
            duration_s=0.0,
            segments=[SegmentEntry(sid="", start_s=start_s, end_s=start_s)],
            frames=stream.packets,
        )
        manifest.tracks.append(track)
    if entry.path not in track.files:
        track.files.append(entry.path)
    last = track.segments[-1]
    was_live = last.end_s >= manifest.duration_s - LIVE_S
    if was_live and end_s > last.end_s:
        last.end_s = end_s
        track.duration_s = round(end_s - track.start_s, 6)


def _track_of(
    manifest: Manifest, entry: FileEntry, stream: StreamScan, tags: dict[str, str]
) -> TrackEntry | None:
    source = _SOURCES.get((tags.get(SUFFIX_TAG, ""), stream.kind), Source.UNKNOWN)
    for track in manifest.tracks:
        if track.kind is stream.kind and (
            entry.path in track.files
            or (track.identity == tags.get(IDENTITY_TAG) and track.source is source)
        ):
            return track
    return None
