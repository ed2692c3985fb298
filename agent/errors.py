"""Every error the agent raises on purpose, by whose it is to mend.

* :exc:`AgentError`
    * :exc:`UsageError` — yours: an option, a file, a key (exit code 2)
        * :exc:`MediaFileError` — a file can't be published as it is
        * :exc:`UnsupportedError` — this engine can't do what was asked
    * :exc:`ServiceError` — theirs: a server or the network (exit code 3)
        * :exc:`JoinError` — the room can't be joined
        * :exc:`AccessError` — no token is to be had
    * :exc:`MediaLossError` — media is lost, damaged or can't be written (exit code 4)
        * :exc:`WriteError` — a recording can't be written any further
        * :exc:`RecordingError` — a recording's folder isn't what it says it is

Whatever else is raised is a bug, and ours: nothing catches it, so that it shows its traceback.
"""

from pathlib import Path
from typing import ClassVar


class AgentError(Exception):
    """Base class: catching it catches what the agent foresaw, and no bug.

    Attributes:
        exit_code: With what a command ends that meets this error.
    """

    exit_code: ClassVar[int]


class UsageError(AgentError):
    """Raised when what the caller gave can't be used; the message says what to give instead."""

    exit_code = 2


class MediaFileError(UsageError):
    """Raised when a media file can't be read or lacks what was asked of it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)  # all of them, so that it pickles
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"can't use {self.path}: {self.reason}"


class UnsupportedError(UsageError):
    """Raised when the engine that was chosen lacks what was asked of it."""


class ServiceError(AgentError):
    """Raised when a server refuses or can't be reached."""

    exit_code = 3


class JoinError(ServiceError):
    """Raised when a room can't be joined.

    Attributes:
        retry: Whether trying again later, with a new token, may succeed.
    """

    def __init__(self, room: str, url: str, reason: str, *, retry: bool = True) -> None:
        super().__init__(room, url, reason)
        self.room = room
        self.url = url
        self.reason = reason
        self.retry = retry

    def __str__(self) -> str:
        return f"can't join room {self.room!r} at {self.url}: {self.reason}"


class AccessError(ServiceError):
    """Raised when the token endpoint gives no token.

    Attributes:
        retry: Whether trying again later may succeed; not if it refused us.
    """

    def __init__(self, url: str, reason: str, *, retry: bool = True) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.retry = retry

    def __str__(self) -> str:
        return f"no token from {self.url}: {self.reason}"


class MediaLossError(AgentError):
    """Raised when media is lost, damaged, or can't be written."""

    exit_code = 4


class WriteError(MediaLossError):
    """Raised when a recording can't be written any further; what is written stays.

    Attributes:
        disk_full: Whether room on the disk (or a quota) is what lacks.
    """

    def __init__(self, path: Path, reason: str, *, disk_full: bool = False) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason
        self.disk_full = disk_full

    def __str__(self) -> str:
        return f"can't write {self.path}: {self.reason}"


class RecordingError(MediaLossError):
    """Raised when a recording's folder isn't what it says it is."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
