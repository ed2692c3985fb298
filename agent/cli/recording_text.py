"""A recording, and how it goes, in words and tables for a person."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from agent.cli.output import clock_time, readable, size

if TYPE_CHECKING:  # what they import takes longer to load than the whole command line
    from agent.recording.manifest import FileEntry, Manifest, TrackEntry
    from agent.recording.recorder import Progress
    from agent.recording.recovery import Rescue

_NOTHING = "-"

_ENDS = {
    "stopped": "stopped",
    "room_empty": "nobody published any more",
    "limit": "limit reached",
    "disk_full": "the disk is full",
    "write_failed": "it could not be written any further",
    "removed": "removed from the room",
    "duplicate_identity": "somebody else joined under its identity",
    "connection_lost": "the connection was lost for too long",
    "recorder_down": "the recorder had crashed",
}


def summary(folder: Path, manifest: "Manifest") -> str:
    """Return where a recording is and what became of it, in one line."""
    why = _ENDS[manifest.end_reason] if manifest.end_reason else manifest.state.value
    return f"{folder}: {manifest.state}, {manifest.duration_s:.1f} s ({why})"


def outcome(folder: Path, manifest: "Manifest") -> list[RenderableType]:
    """Return what a recording came to."""
    if not manifest.files:
        return [summary(folder, manifest), "nobody published, so there is no file in it"]
    return [summary(folder, manifest), files_table(manifest)]


def files_table(manifest: "Manifest") -> Table:
    """Return a row for each file."""
    table = Table()
    table.add_column("file", no_wrap=True, overflow="fold")  # to be copied
    for heading in ("participant", "tracks"):
        table.add_column(heading, overflow="fold")
    for heading in ("seconds", "gaps", "A/V skew", "size"):
        table.add_column(heading, justify="right")
    for entry in manifest.files:
        table.add_row(*_cells(manifest, entry))
    return table


def progress_line(progress: "Progress") -> str:
    """Return how a recording goes, in one line."""
    parts = [f"{clock_time(progress.seconds)} recorded", size(progress.bytes)]
    parts += [
        f"{readable(identity)}: {', '.join(source.value for source in sources)}"
        for identity, sources in progress.tracks.items()
        if sources
    ]
    if progress.gaps:
        parts.append(_counted(progress.gaps, "gap"))
    if progress.dropped:
        parts.append(f"{progress.dropped} frames dropped")
    if progress.waiting_for:
        parts.append(f"waiting for {progress.waiting_for}")
    return " · ".join(parts)


def rescue_line(rescue: "Rescue") -> str:
    """Return what became of a recording that had been left, in one line."""
    if rescue.owner:
        return f"{rescue.folder} is left alone: {rescue.owner} is still at it"
    if rescue.problems:
        return f"{rescue.folder} is damaged: {'; '.join(rescue.problems)}"
    if rescue.manifest is None or not rescue.recovered:
        return f"{rescue.folder} needs nothing"
    files = _counted(len(rescue.manifest.files), "file")
    return f"{rescue.folder} is recovered: {rescue.manifest.duration_s:.1f} s in {files}"


def _cells(manifest: "Manifest", entry: "FileEntry") -> list[str]:
    tracks = [track for track in manifest.tracks if entry.path in track.files]
    identities = sorted({track.identity for track in tracks})
    skew = next((manifest.av_skew_ms[i] for i in identities if i in manifest.av_skew_ms), None)
    is_pair = len({track.kind for track in tracks}) == 2
    return [
        entry.path,
        ", ".join(map(readable, identities)) or _NOTHING,
        "\n".join(_track_text(track) for track in tracks) or _NOTHING,
        f"{entry.duration_s:.1f}",
        _gaps_text(tracks),
        f"{skew.median:+.0f} ms" if skew and is_pair else _NOTHING,
        size(entry.bytes),
    ]


def _track_text(track: "TrackEntry") -> str:
    text = f"{track.source.value} {track.codec.value}"
    if track.sizes:
        last = track.sizes[-1]
        text += f" {last.width}x{last.height}"
    return text


def _gaps_text(tracks: "Sequence[TrackEntry]") -> str:
    gaps = [gap for track in tracks for gap in track.gaps]
    if not gaps:
        return _NOTHING
    reasons = sorted({gap.reason.value for gap in gaps})
    seconds = sum(gap.end_s - gap.start_s for gap in gaps)
    return f"{len(gaps)}, {seconds:.1f} s\n{', '.join(reasons)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
