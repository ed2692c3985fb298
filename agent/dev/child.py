"""A program that we start and that never outlives us."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from agent.dev import watchdog
from agent.errors import UsageError


class ProgramError(UsageError):
    """Raised when a program can't be run at all."""

    def __init__(self, program: Path, reason: str) -> None:
        super().__init__(program, reason)
        self.program = program
        self.reason = reason

    def __str__(self) -> str:
        return f"can't run {self.program}: {self.reason}"


class Child:
    """A running program, under a watchdog that kills it when this process is gone.

    It has a session of its own: Ctrl-C on the terminal reaches us and not it, so that we decide
    in which order things end. Its output goes to the end of ``log`` (made with mode 0600).
    Methods may be called from any thread.

    Raises:
        ProgramError: The program isn't there or isn't one.
    """

    def __init__(
        self, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start ``argv`` with our environment and what ``environment`` adds to it."""
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, *argv],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_fd,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        finally:
            os.close(log_fd)
        self._orders = cast("IO[bytes]", self._watchdog.stdin)
        with cast("IO[bytes]", self._watchdog.stdout) as answer:
            said = answer.readline().decode().strip()
        if not said.isdecimal():
            self.close()
            raise ProgramError(Path(argv[0]), said or "the watchdog did not start")
        self.pid = int(said)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it has ended."""
        with contextlib.suppress(BrokenPipeError, ValueError):  # ValueError: closed
            self._orders.write(bytes([number]))

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit status (128 + N after signal N), or None if it still runs."""
        try:
            return self._watchdog.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Kill it if it still runs, and return once it is gone."""
        self._orders.close()
        self._watchdog.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
