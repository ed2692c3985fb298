"""The last step of a recording, or of its rescue: parts joined, checked, hashed, listed.

A part is removed only after the file that it became part of has passed its check. Whatever
stops this half-way, it can be done again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent.errors import MediaLossError, UnsupportedError, WriteError
from agent.recording.expectation import expectation_of
from agent.recording.joining import Placed, join, salvage
from agent.recording.manifest import FileEntry, Manifest, State
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
    left_over: list[tuple[FileEntry, Path]] = []
    for parts in _groups(manifest):
        made = _joined(folder, parts, _SUFFIXES[container], done.problems)
        if made is None:
            kept = parts
        else:
            kept = [made]
            left_over += [(made, folder / it.path) for it in parts if it.path != made.path]
        _point_tracks(manifest, parts, kept)
        entries += kept
    manifest.files = entries
    for entry in entries:
        _check(folder, manifest, entry, done.problems)
    manifest.state = state
    save(folder, manifest)
    for made, path in left_over:
        if made.checked:
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


def _joined(
    folder: Path, parts: Sequence[FileEntry], suffix: Literal["mkv", "mp4"], problems: list[str]
) -> FileEntry | None:
    """Return the one file that the parts became; ``None`` if they have to stay."""
    first = parts[0]
    if len(parts) == 1 and first.path.endswith(f".{suffix}") and _is_closed(folder / first.path):
        return first
    destination = folder / f"{base_of(first.path)}.{suffix}"
    placed = [Placed(folder / part.path, part.start_s) for part in parts]
    try:
        joined = join(placed, destination, container=suffix, tags={JOINED_TAG: str(len(parts))})
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


def _is_closed(path: Path) -> bool:
    """Return whether the writer came to the end of the file, so that it can be sought in."""
    return salvage(path).duration_s is not None


def _point_tracks(
    manifest: Manifest, parts: Sequence[FileEntry], kept: Sequence[FileEntry]
) -> None:
    paths = {part.path for part in parts}
    for track in manifest.tracks:
        if paths.intersection(track.files):
            track.files = [entry.path for entry in kept]


def _check(folder: Path, manifest: Manifest, entry: FileEntry, problems: list[str]) -> None:
    path = folder / entry.path
    try:
        entry.bytes, entry.sha256 = path.stat().st_size, digest(path)
    except OSError as error:
        problems.append(f"{path} can't be read: {error.strerror}")
        return
    report = check_file(path, expectation_of(manifest, entry))
    problems += [str(finding) for finding in report.findings]
    end_s = max((stream.end_s for stream in report.streams.values()), default=0.0)
    entry.duration_s = round(end_s, 6)
    entry.checked = "quick" if report.passed else None
