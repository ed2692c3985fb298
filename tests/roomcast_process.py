"""The command line as a user runs it: a process of its own against a real SFU."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.dev.sfu import Sfu

ENDS_WITHIN_S = 30.0


def environment(sfu: Sfu) -> dict[str, str]:
    """Return ours, with the SFU's address and key and nothing else of the kind."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIVEKIT_", "ROOMCAST_"))
    }
    return kept | {
        "LIVEKIT_URL": sfu.url,
        "LIVEKIT_API_KEY": sfu.api_key,
        "LIVEKIT_API_SECRET": sfu.api_secret,
        "COLUMNS": "120",
    }


@contextmanager
def roomcast(sfu: Sfu, *arguments: str | Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Start ``roomcast ARGUMENTS``; kill it at the end of the block if it still runs.

    Its standard output can be read from the process; what it says on stderr goes to ``log``.
    """
    with log.open("a") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment(sfu),
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Ask ``process`` to end; return its exit code and what it printed."""
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=ENDS_WITHIN_S)
    return process.returncode, printed


def run(sfu: Sfu, arguments: Sequence[str | Path], log: Path) -> tuple[int, str]:
    """Run ``roomcast ARGUMENTS`` to its end; return its exit code and what it printed."""
    with roomcast(sfu, *arguments, log=log) as process:
        printed, _ = process.communicate(timeout=ENDS_WITHIN_S)
        return process.returncode, printed
