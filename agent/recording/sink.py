"""The file under a muxer: made for us alone, synced as it grows, untouched after a failure."""

import errno
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.errors import WriteError

SYNC_EVERY_S: Final = 5.0
"""How much of a recording a loss of power may cost."""

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FileSink:
    """A new file that PyAV can write to, with mode 0600.

    The first failure is kept in :attr:`error` and the file left as it is: what a muxer still
    writes then, such as its trailer, is taken and thrown away. Failures are thus told by us,
    with their cause, and not by libav in the middle of a callback.

    Attributes:
        name: The path; libav reads from it where a container is rearranged at its end.
        error: What went wrong.
        closed: Whether :meth:`close` was called.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Create ``path``, which must not exist.

        Raises:
            WriteError: It exists or can't be created.
        """
        self.name = str(path)
        self.error: WriteError | None = None
        self.closed = False
        self._path = path
        self._clock = clock
        try:
            self._descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise write_error(path, error) from error
        self._synced_at = clock()
        try:
            sync_folder(path.parent)
        except OSError as error:
            self._fail(error)

    def write(self, data: bytes) -> int:
        """Write all of ``data`` at the present place, and sync if it is time."""
        if self.error is None and not self.closed:
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                if self._clock() - self._synced_at >= SYNC_EVERY_S:
                    os.fdatasync(self._descriptor)
                    self._synced_at = self._clock()
            except OSError as error:
                self._fail(error)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the present place."""
        return os.lseek(self._descriptor, offset, whence) if not self.closed else offset

    def tell(self) -> int:
        """Return the present place."""
        return self.seek(0, os.SEEK_CUR)

    def seekable(self) -> bool:
        """Tell that it is."""
        return True

    def writable(self) -> bool:
        """Tell that it is."""
        return True

    def close(self) -> None:
        """Sync and close. Idempotent; failures go to :attr:`error`."""
        if self.closed:
            return
        self.closed = True
        try:
            if self.error is None:
                os.fsync(self._descriptor)
        except OSError as error:
            self._fail(error)
        finally:
            os.close(self._descriptor)

    def _fail(self, error: OSError) -> None:
        self.error = write_error(self._path, error)
        self.error.__cause__ = error


def write_error(path: Path, error: OSError) -> WriteError:
    """Say why ``path`` can't be written."""
    full = error.errno in _NO_SPACE
    reason = error.strerror or type(error).__name__
    return WriteError(path, reason, disk_full=full)


def sync_folder(folder: Path) -> None:
    """Make sure that a name created in ``folder`` would survive a loss of power.

    Raises:
        OSError: That fails.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: It can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
