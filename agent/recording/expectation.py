"""What a recording's manifest says that each of its files holds."""

from agent.media import Codec, Kind
from agent.recording.manifest import FileEntry, Manifest, TrackEntry
from agent.recording.scan import Gap
from agent.recording.verification import FileExpectation, StreamExpectation
from agent.room import Source

EDGE_S = 0.1
"""A track that overlaps with a file by less may have begun with the next one."""


def expectation_of(manifest: Manifest, entry: FileEntry) -> FileExpectation:
    """Return what ``entry`` should be; of the hash only if it has been made.

    Sound or pictures may end before the file does: black and silence stand in to its end.
    """
    end_s = entry.start_s + entry.duration_s
    streams: dict[Kind, StreamExpectation] = {}
    for track in manifest.tracks:
        whole = track.files == [entry.path]
        if whole or (entry.path in track.files and _overlaps(track, entry.start_s, end_s)):
            streams[track.kind] = _stream(track, entry, end_s)
    return FileExpectation(
        streams=tuple(streams.values()),
        duration_s=entry.duration_s if entry.checked else None,
        bytes=entry.bytes if entry.sha256 else None,
        sha256=entry.sha256 or None,
    )


def _overlaps(track: TrackEntry, start_s: float, end_s: float) -> bool:
    """Return whether the file has of the track for certain, and not just at its edge."""
    track_end_s = track.start_s + track.duration_s
    return min(track_end_s, end_s) - max(track.start_s, start_s) > EDGE_S


def _stream(track: TrackEntry, entry: FileEntry, end_s: float) -> StreamExpectation:
    track_end_s = min(track.start_s + track.duration_s, end_s)
    return StreamExpectation(
        kind=track.kind,
        codec=Codec(track.codec),
        start_s=max(0.0, track.start_s - entry.start_s),
        end_s=track_end_s - entry.start_s,
        gaps=tuple(Gap(g.start_s - entry.start_s, g.end_s - entry.start_s) for g in track.gaps),
        may_stand_still=track.source is Source.SCREEN_SHARE,
    )
