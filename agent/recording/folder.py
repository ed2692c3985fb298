"""A recording's folder and who owns it.

The owner holds a lock on ``owner.json`` for as long as it lives; the kernel lets go of it when
the owner dies, however it dies. A heartbeat in the same file speaks for an owner on another
host, whose locks a shared file system may not show.
"""

import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from agent.errors import UsageError
from agent.recording.manifest import MANIFEST_NAME
from agent.recording.names import folder_name
from agent.recording.sink import write_error

OWNER_NAME = "owner.json"
EVENTS_NAME = "events.jsonl"
PARTICIPANTS = "participants"

HEARTBEAT_S = 5.0
STALE_S = 60.0
"""A heartbeat older than this, from a host whose lock we can't see, is a dead owner's."""


class Owned(Exception):  # noqa: N818 - not a failure: somebody else is at work
    """Raised when a folder has a living owner."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(folder, owner)
        self.folder = folder
        self.owner = owner

    def __str__(self) -> str:
        return f"{self.folder} is being written by {self.owner}"


class Ownership:
    """The lock on a folder, held until :meth:`release` or death."""

    def __init__(self, folder: Path) -> None:
        """Take it.

        Raises:
            Owned: If it has a living owner.
            OSError: If the lock can't be written.
        """
        self._path = folder / OWNER_NAME
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            self._take(folder)
        except BaseException:
            self._file.close()
            raise

    def beat(self) -> None:
        """Say that the owner lives.

        Raises:
            WriteError: If that fails.
        """
        try:
            self._write()
        except OSError as error:
            raise write_error(self._path, error) from error

    def release(self) -> None:
        """Give it up and leave no trace. Idempotent."""
        if not self._file.closed:
            if self._is_in_place():
                self._path.unlink(missing_ok=True)
            self._file.close()

    def _take(self, folder: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Owned(folder, _described(self._read())) from None
        before = self._read()
        if _is_alive_elsewhere(before) or not self._is_in_place():
            raise Owned(folder, _described(before))
        self._write()

    def _write(self) -> None:
        """Write in place, always as long as before: that needs no room on a full disk."""
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "beat": int(time.time())}
        content = json.dumps(owner).encode()
        self._file.seek(0)
        self._file.write(content)
        self._file.truncate(len(content))  # the owner before us may have had a longer name

    def _is_in_place(self) -> bool:
        """Return whether what we locked is still the folder's, and no owner's who just left."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False

    def _read(self) -> Mapping[str, object]:
        self._file.seek(0)
        try:
            owner = json.loads(self._file.read())
        except ValueError:  # empty, or cut off by the death of its writer
            return {}
        return owner if isinstance(owner, dict) else {}


@dataclass(frozen=True, slots=True)
class RecordingFolder:
    """A folder that this process owns."""

    path: Path
    id: str
    ownership: Ownership

    @classmethod
    def create(cls, out: Path, room: str, started_at: datetime) -> "RecordingFolder":
        """Make a new one in ``out``, readable by its owner only.

        Raises:
            UsageError: If ``out`` can't be made or written.
        """
        suffix = secrets.token_hex(3)
        path = out / folder_name(room, started_at, suffix)
        try:
            out.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
            (path / PARTICIPANTS).mkdir(mode=0o700)
            ownership = Ownership(path)
        except OSError as error:
            sentence = f"can't write recordings to {out}: {error.strerror}; choose another with -o"
            raise UsageError(sentence) from None
        return cls(path, f"{started_at:%Y%m%d%H%M%S}-{suffix}", ownership)

    def close(self) -> None:
        """Give it up; one that never became a recording goes. Idempotent."""
        if not (self.path / MANIFEST_NAME).exists():
            with suppress(OSError):  # something lies in it: it stays
                (self.path / PARTICIPANTS).rmdir()
                self.ownership.release()
                self.path.rmdir()
        self.ownership.release()

    def open_events(self) -> IO[str]:
        """Open ``events.jsonl`` for appending.

        Raises:
            WriteError: If that fails.
        """
        path = self.path / EVENTS_NAME
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise write_error(path, error) from error
        return os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)


def recordings_in(place: Path) -> Iterator[Path]:
    """Yield the folders of recordings at or directly below ``place``, oldest name first.

    Raises:
        OSError: If ``place`` can't be read.
    """
    if _is_recording(place):
        yield place
        return
    for child in sorted(place.iterdir()):
        if not child.is_symlink() and _is_recording(child):
            yield child


def _is_recording(place: Path) -> bool:
    return os.path.exists(place / MANIFEST_NAME)  # noqa: PTH110 - pathlib's raises where this can't look


def _is_alive_elsewhere(owner: Mapping[str, object]) -> bool:
    """Return whether another host's owner still beats; this host's would hold the lock."""
    beat = owner.get("beat")
    if owner.get("host") == socket.gethostname() or not isinstance(beat, int | float):
        return False
    return time.time() - beat < STALE_S


def _described(owner: Mapping[str, object]) -> str:
    if "pid" not in owner:
        return "another process"
    return f"process {owner['pid']} on {owner.get('host')}"
