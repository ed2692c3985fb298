"""``manifest.json``: what a recording holds, in figures that can be checked.

All ``*_s`` are seconds on the recording's one timeline, whose zero is ``started_at``. The time
0 of a file is its ``start_s``, so any two files line up by the manifest alone.
"""

import json
import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import RecordingError
from agent.media import Codec, Kind
from agent.recording.sink import sync_folder
from agent.room import Source

MANIFEST_NAME = "manifest.json"

Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class State(StrEnum):
    """How far a recording has come. ``complete`` is only given after a check of its files."""

    RECORDING = "recording"
    PAUSED = "paused"
    FINISHING = "finishing"
    COMPLETE = "complete"
    RECOVERED = "recovered"
    FAILED = "failed"
    DISCARDED = "discarded"

    @property
    def is_running(self) -> bool:
        """Whether somebody owns it, or died owning it."""
        return self in (State.RECORDING, State.PAUSED, State.FINISHING)


class Stop(StrEnum):
    """Why a recording ended."""

    STOPPED = "stopped"
    ROOM_EMPTY = "room_empty"
    LIMIT = "limit"
    DISK_FULL = "disk_full"
    WRITE_FAILED = "write_failed"
    REMOVED = "removed"
    DUPLICATE_IDENTITY = "duplicate_identity"
    CONNECTION_LOST = "connection_lost"
    RECORDER_DOWN = "recorder_down"


class GapReason(StrEnum):
    """Why a track has nothing for a while."""

    MUTED = "muted"
    UNPUBLISHED = "unpublished"
    LEFT = "left"
    RECONNECTING = "reconnecting"
    PAUSED = "paused"
    EXCLUDED = "excluded"
    STREAM_PAUSED = "stream_paused"
    ROOM_CLOSED = "room_closed"
    RECORDER_DOWN = "recorder_down"
    LOST = "lost"
    OVERLOAD = "overload"


class Entry(BaseModel):
    """An object of the manifest: closed, so that a name mistyped is an error."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class RoomEntry(Entry):
    """The room; one SID for each time it was opened while we recorded."""

    name: str
    sids: list[str] = []


class ParticipantEntry(Entry):
    """Somebody who was there; ``left_s`` is null while they are."""

    identity: str
    name: str = ""
    joined_s: Seconds
    left_s: Seconds | None = None


class SegmentEntry(Entry):
    """A stretch of a track under one SID, from its first to the end of its last frame."""

    sid: str
    start_s: Seconds
    end_s: Seconds


class GapEntry(Entry):
    """A stretch inside a track with nothing of it in the file but black or silence."""

    start_s: Seconds
    end_s: Seconds
    reason: GapReason


class SizeEntry(Entry):
    """The size of the pictures from ``at_s`` on."""

    at_s: Seconds
    width: Count
    height: Count


class TrackEntry(Entry):
    """What one participant published from one source, over all its republishing.

    ``frames`` counts what was received and written, ``dropped`` what was received and not
    written because writing was too slow; ``concealed_s`` is sound that the decoder made up
    for lost packets, where the engine tells.
    """

    identity: str
    source: Source
    kind: Kind
    codec: Codec
    engine: Literal["sdk", "encoded"]
    files: list[str]
    start_s: Seconds
    duration_s: Seconds
    segments: list[SegmentEntry] = []
    gaps: list[GapEntry] = []
    sizes: list[SizeEntry] = []
    frames: Count = 0
    dropped: Count = 0
    concealed_s: Seconds = 0.0


class SkewEntry(Entry):
    """How far a participant's sound lies behind its pictures, in milliseconds.

    Of a file that shows the test pattern it is measured in the file. Of others it is what the
    recorder can tell: how far sound lies from the time it was given, where pictures lie exactly;
    ``p95`` is of the magnitudes.
    """

    median: float
    p95: float


class MarkEntry(Entry):
    """A note made while recording."""

    at_s: Seconds
    text: str


class FileEntry(Entry):
    """A media file; ``bytes`` and ``sha256`` are those it had when it was checked."""

    path: str
    start_s: Seconds
    duration_s: Seconds
    bytes: Count
    sha256: str
    container: Literal["matroska", "mp4", "webm", "ogg"]
    checked: Literal["quick", "full"] | None = None


class UploadEntry(Entry):
    """A copy elsewhere."""

    to: str
    path: str
    state: Literal["pending", "done", "failed"]
    attempts: Count = 0
    at: datetime | None = None


class Manifest(Entry):
    """A recording."""

    version: Literal[1] = 1
    id: str
    room: RoomEntry
    state: State
    continues: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    duration_s: Seconds = 0.0
    end_reason: Stop | None = None
    control: str | None = None
    participants: list[ParticipantEntry] = []
    tracks: list[TrackEntry] = []
    av_skew_ms: dict[str, SkewEntry] = {}
    marks: list[MarkEntry] = []
    files: list[FileEntry] = []
    uploads: list[UploadEntry] = []

    def save(self, folder: Path, *, durable: bool = True) -> None:
        """Replace the manifest of ``folder`` in one step: a reader sees the old or the new.

        Args:
            folder: The recording's.
            durable: Whether to wait until it would survive a loss of power.

        Raises:
            OSError: If it can't be written; the old one stays.
        """
        path = folder / MANIFEST_NAME
        new = path.with_suffix(".json.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=1) + "\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)
        if durable:
            sync_folder(folder)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read the manifest of ``folder``.

        Raises:
            RecordingError: If there is none, or it isn't one.
        """
        path = folder / MANIFEST_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            reason = f"no recording: it has no {MANIFEST_NAME}"
            raise RecordingError(folder, reason) from None
        except OSError as error:
            raise RecordingError(path, error.strerror or str(error)) from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "the whole"
            reason = f"not a manifest of version 1: {where}: {first['msg']}"
            raise RecordingError(path, reason) from None


def schema() -> str:
    """Return the JSON Schema of the manifest."""
    return json.dumps(Manifest.model_json_schema(), indent=2)
