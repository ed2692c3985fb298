"""What a recorder writes down: the manifest, kept up to date, and the events as they come."""

import json
import statistics
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.media import Codec, Kind
from agent.recording.folder import EVENTS_NAME, RecordingFolder
from agent.recording.manifest import (
    FileEntry,
    Manifest,
    ParticipantEntry,
    RoomEntry,
    SkewEntry,
    State,
    Stop,
    TrackEntry,
)
from agent.recording.participant import ParticipantRecording, TrackRecording
from agent.recording.sink import write_error
from agent.recording.timeline import AudioTimeline
from agent.room import (
    Participant,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    Reconnecting,
    RoomEvent,
    TrackEvent,
    TrackFailed,
    TrackSubscribed,
)

RESERVE_NAME = ".reserve"
RESERVE_BYTES = 1 << 18
"""Kept on the disk for the last manifest of a recording that filled it."""

_WRITTEN_AS = {Kind.VIDEO: Codec.H264, Kind.AUDIO: Codec.OPUS}


class Ledger:
    """The manifest and ``events.jsonl`` of a running recording.

    Attributes:
        manifest: As it stands.
    """

    def __init__(self, folder: RecordingFolder, room: str, started_at: datetime) -> None:
        """Write the first manifest, so that the folder is a recording from now on.

        Raises:
            WriteError: If that fails.
        """
        self._folder = folder
        self._reserve = folder.path / RESERVE_NAME
        self.manifest = Manifest(
            id=folder.id, room=RoomEntry(name=room), state=State.RECORDING, started_at=started_at
        )
        try:
            self._reserve.touch(0o600)
            self._reserve.write_bytes(bytes(RESERVE_BYTES))
        except OSError as error:
            raise write_error(self._reserve, error) from error
        self.save((), 0.0)
        self._events = folder.open_events()

    def close(self) -> None:
        """Write no more. Idempotent.

        Raises:
            WriteError: If the last lines can't be written.
        """
        with self._writing_events():
            self._events.close()

    def room_opened(self, sid: str) -> None:
        """Take note of the SID the room has now; empty if it isn't known."""
        sids = self.manifest.room.sids
        if sid and sid not in sids:
            sids.append(sid)

    def met(self, participant: Participant, at_s: float) -> None:
        """Take note that ``participant`` is there, again perhaps."""
        entry = self._participant(participant.identity)
        if entry is None:
            entry = ParticipantEntry(identity=participant.identity, joined_s=max(0.0, at_s))
            self.manifest.participants.append(entry)
        entry.name = participant.name
        entry.left_s = None

    def left(self, participant: Participant, at_s: float) -> None:
        """Take note that ``participant`` is gone."""
        if entry := self._participant(participant.identity):
            entry.left_s = max(0.0, at_s)

    def event(self, event: RoomEvent, at_s: float) -> None:
        """Append ``event`` to ``events.jsonl``.

        Raises:
            WriteError: If that fails.
        """
        line = {"at_s": round(at_s, 6), "event": _snake(type(event).__name__), **_facts(event)}
        self._append(line)

    def save(
        self, recordings: Iterable[ParticipantRecording], now_s: float, *, durable: bool = False
    ) -> None:
        """Bring the manifest up to date and write it.

        Raises:
            WriteError: If that fails; the last one written stays.
        """
        manifest = self.manifest
        recordings = list(recordings)
        manifest.duration_s = round(now_s, 6)
        manifest.tracks = [
            self._track(recording, track)
            for recording in recordings
            for track in recording.tracks.values()
            if track.log.frames
        ]
        manifest.files = [
            FileEntry(
                path=self._relative(part.path),
                start_s=part.start_s,
                duration_s=round(part.end_s - part.start_s, 6),
                bytes=_size(part.path),
                sha256="",
                container="matroska",
            )
            for recording in recordings
            for part in recording.file.parts
        ]
        manifest.av_skew_ms = {
            recording.identity: skew for recording in recordings if (skew := _skew(recording))
        }
        try:
            manifest.save(self._folder.path, durable=durable)
        except OSError as error:
            raise write_error(self._folder.path, error) from error

    def finishing(self, reason: Stop, ended_s: float) -> None:
        """Take note that nothing more is recorded, and why."""
        self._reserve.unlink(missing_ok=True)
        self.manifest.state = State.FINISHING
        self.manifest.end_reason = reason
        self.manifest.ended_at = self.manifest.started_at + timedelta(seconds=ended_s)

    def _participant(self, identity: str) -> ParticipantEntry | None:
        return next((p for p in self.manifest.participants if p.identity == identity), None)

    def _track(self, recording: ParticipantRecording, track: TrackRecording) -> TrackEntry:
        log = track.log
        start_s = log.start_s or 0.0
        return TrackEntry(
            identity=recording.identity,
            source=track.source,
            kind=track.kind,
            codec=_WRITTEN_AS[track.kind],
            engine="sdk",
            files=[self._relative(part.path) for part in recording.file.parts],
            start_s=start_s,
            duration_s=round(log.end_s - start_s, 6),
            segments=[segment.model_copy() for segment in log.segments],
            gaps=list(log.gaps),
            sizes=list(log.sizes),
            frames=log.frames,
            dropped=track.dropped,
        )

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()

    def _append(self, line: dict[str, str | float]) -> None:
        with self._writing_events():
            self._events.write(json.dumps(line, ensure_ascii=False) + "\n")

    @contextmanager
    def _writing_events(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(self._folder.path / EVENTS_NAME, error) from error


def utc_now() -> datetime:
    """Return the wall clock's time: what the zero of a recording is called."""
    return datetime.now(UTC)


def _facts(event: RoomEvent) -> dict[str, str | float]:
    match event:
        case ParticipantJoined() | ParticipantChanged() | ParticipantLeft():
            return {"identity": event.participant.identity, "sid": event.participant.sid}
        case TrackSubscribed():
            track = event.track
            return {
                "identity": track.participant.identity,
                "source": track.info.source,
                "sid": track.info.sid,
            }
        case TrackEvent():
            facts: dict[str, str | float] = {
                "identity": event.participant.identity,
                "source": event.track.source,
                "sid": event.track.sid,
            }
            return facts | ({"reason": event.reason} if isinstance(event, TrackFailed) else {})
        case Reconnecting():
            return {"reason": event.reason} if event.reason else {}
        case _:
            return {}


def _skew(recording: ParticipantRecording) -> SkewEntry | None:
    """Return how late sound was written against its time; pictures are written at theirs."""
    kinds = {track.kind for track in recording.tracks.values() if track.log.frames}
    offsets = sorted(
        offset
        for track in recording.tracks.values()
        if isinstance(track.timeline, AudioTimeline)
        for offset in track.timeline.offsets_ms
    )
    if len(kinds) < len(Kind) or not offsets:
        return None
    worst = sorted(abs(offset) for offset in offsets)[int(0.95 * (len(offsets) - 1))]
    return SkewEntry(median=round(statistics.median(offsets), 1), p95=round(worst, 1))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
