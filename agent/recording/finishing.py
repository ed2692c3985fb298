"""The last step of a recording, or of its rescue: parts joined, checked, hashed, listed.

A part is removed only after the file that it became part of has passed its check. Whatever
stops this half-way, it can be done again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av

from agent.errors import MediaLossError, UnsupportedError, WriteError
from agent.media import Kind
from agent.recording.expectation import expectation_of
from agent.recording.joining import Placed, join
from agent.recording.manifest import FileEntry, Manifest, SkewEntry, State
from agent.recording.marks import skew_by_marks
from agent.recording.scan import UnreadableError, open_media
from agent.recording.sink import digest
from agent.recording.verification import check_file

ContainerChoice = Literal["auto", "mkv", "mp4"]

_SUFFIXES: dict[ContainerChoice, Literal["mkv", "mp4"]] = {
    "auto": "mkv",
    "mkv": "mkv",
    "mp4": "mp4",
}
_FORMATS: dict[str, Literal["matroska", "mp4"]] = {".mkv": "matroska", ".mp4": "mp4"}

JOINED_TAG = "ROOMCAST_JOINED"
"""On a file made of parts: their number. Parts found beside it are left-overs of the joining."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of finishing.

    Attributes:
        problems: Sentences on what is damaged or could not be done; nothing was removed for it.
    """

    manifest: Manifest
    problems: list[str] = field(default_factory=list)


def finish(
    folder: Path, manifest: Manifest, state: State, container: ContainerChoice = "auto"
) -> Finished:
    """Join the parts of each participant, check and list every file, and say ``state``.

    Raises:
        WriteError: If the manifest can't be written.
    """
    done = Finished(manifest)
    entries: list[FileEntry] = []
    left_over: list[Path] = []
    for parts in _groups(manifest):
        kept = _finish_group(folder, manifest, parts, _SUFFIXES[container], done.problems)
        entries += kept
        paths = {entry.path for entry in kept}
        left_over += [folder / part.path for part in parts if part.path not in paths]
    manifest.files = entries
    _measure_skew(folder, manifest)
    manifest.state = state
    save(folder, manifest)
    for path in left_over:
        path.unlink(missing_ok=True)
    return done


def save(folder: Path, manifest: Manifest) -> None:
    """Write the manifest for good.

    Raises:
        WriteError: If that fails.
    """
    try:
        manifest.save(folder)
    except OSError as error:
        raise WriteError(folder, error.strerror or str(error)) from error


def _groups(manifest: Manifest) -> list[list[FileEntry]]:
    """Return the files of each participant, in order."""
    groups: dict[str, list[FileEntry]] = {}
    for entry in manifest.files:
        groups.setdefault(base_of(entry.path), []).append(entry)
    return [sorted(group, key=lambda entry: entry.start_s) for group in groups.values()]


def base_of(path: str) -> str:
    """Return the path without ending and number: ``ann.2.mkv`` is of ``ann``."""
    stem = path.rpartition(".")[0]
    head, _, number = stem.rpartition(".")
    return head if head and number.isdecimal() else stem


def _finish_group(
    folder: Path,
    manifest: Manifest,
    parts: Sequence[FileEntry],
    suffix: Literal["mkv", "mp4"],
    problems: list[str],
) -> Sequence[FileEntry]:
    """Return what is to be kept of one participant's parts: one file where that is possible."""
    first = parts[0]
    if len(parts) > 1 or not first.path.endswith(f".{suffix}") or _is_torn(folder / first.path):
        made = _joined(folder, parts, suffix, problems)
        if made is not None:
            hidden = _hidden(folder / made.path)
            _point_tracks(manifest, parts, [made])
            found = _check(hidden, manifest, made)
            if not found:
                hidden.replace(folder / made.path)
                return [made]
            problems += found
            hidden.unlink()
            _point_tracks(manifest, [made], parts)
    _point_tracks(manifest, parts, parts)
    for part in parts:
        problems += _check(folder / part.path, manifest, part)
    return parts


def _joined(
    folder: Path, parts: Sequence[FileEntry], suffix: Literal["mkv", "mp4"], problems: list[str]
) -> FileEntry | None:
    """Return the one file that the parts can become, under its hidden name; ``None`` if none."""
    destination = folder / f"{base_of(parts[0].path)}.{suffix}"
    placed = [Placed(folder / part.path, part.start_s) for part in parts]
    tags = {JOINED_TAG: str(len(parts))}
    try:
        joined = join(placed, _hidden(destination), container=suffix, tags=tags)
    except (MediaLossError, UnsupportedError) as error:
        problems.append(str(error))
        return None
    return FileEntry(
        path=destination.relative_to(folder).as_posix(),
        start_s=joined.start_s,
        duration_s=round(joined.duration_s, 6),
        bytes=joined.bytes,
        sha256=joined.sha256,
        container=_FORMATS[destination.suffix],
    )


def _measure_skew(folder: Path, manifest: Manifest) -> None:
    """Where files show the test pattern, put what they show in the place of what we believe."""
    for track in manifest.tracks:
        if track.kind is not Kind.VIDEO or len(track.files) != 1:
            continue
        try:
            skew = skew_by_marks(folder / track.files[0])
        except (av.FFmpegError, OSError):  # its check has told
            continue
        if skew is not None:
            manifest.av_skew_ms[track.identity] = SkewEntry(
                median=round(skew.median_ms, 1), p95=round(skew.p95_ms, 1)
            )


def _hidden(path: Path) -> Path:
    """Return the name of a file that is not checked yet; no participant's file begins so."""
    return path.with_name(f".{path.name}")


def _is_torn(path: Path) -> bool:
    """Return whether the writer never came to the end of the file, where its index goes."""
    try:
        with open_media(path) as container:
            return container.duration is None
    except UnreadableError:
        return True


def _point_tracks(
    manifest: Manifest, parts: Sequence[FileEntry], kept: Sequence[FileEntry]
) -> None:
    paths = {part.path for part in parts}
    for track in manifest.tracks:
        if paths.intersection(track.files):
            track.files = [entry.path for entry in kept]


def _check(path: Path, manifest: Manifest, entry: FileEntry) -> list[str]:
    """Return what is wrong with ``path``, which is or will be ``entry``; bring that up to date."""
    report = check_file(path, expectation_of(manifest, entry))
    try:
        entry.sha256 = report.sha256 or digest(path)
    except OSError:  # the check has told
        entry.sha256 = ""
    entry.bytes = report.bytes
    end_s = max((stream.end_s for stream in report.streams.values()), default=0.0)
    entry.duration_s = round(end_s, 6)
    entry.checked = "quick" if report.passed else None
    return [str(finding) for finding in report.findings]
