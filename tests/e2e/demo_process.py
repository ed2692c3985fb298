"""``roomcast dev`` as a user runs it: a process of its own, and all that it starts."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import until

START_S = 15.0
END_S = 15.0


@dataclass(frozen=True)
class Demo:
    """A demonstration that runs.

    Attributes:
        log: What it says on standard error.
        out: Where its recording's folder is made.
    """

    process: subprocess.Popen[str]
    log: Path
    out: Path

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it says so."""

        def look() -> re.Match[str] | None:
            said = self.log.read_text()
            found = re.search(pattern, said)
            assert found or self.process.poll() is None, f"it ended early: {said}"
            return found

        return until(look, f"roomcast dev says {pattern!r}", within_s=START_S)

    def page(self) -> str:
        """Wait until it runs; return the address it tells to open."""
        self.says("in the room")
        return self.says(r"the page: (\S+)")[1]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what its recording has taken note of by now under this name."""
        texts = [path.read_text() for path in self.out.glob("*/events.jsonl")]
        lines = [line for text in texts for line in text.splitlines(keepends=True)]
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["event"] == name]

    def family(self) -> list[psutil.Process]:
        """Return the processes that it has started, and those that they have."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def press_ctrl_c(self) -> None:
        """Do what a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, within_s: float = END_S) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it printed."""
        printed, _ = self.process.communicate(timeout=within_s)
        return self.process.returncode, printed


@contextmanager
def roomcast_dev(sfu_binary: Path, folder: Path, *arguments: str) -> Iterator[Demo]:
    """Run ``roomcast dev ARGUMENTS``, recording into ``folder``; kill it if it still runs after."""
    log, out = folder / "said.log", folder / "recordings"
    command = [sys.executable, "-m", "agent", "dev", "--out", out, *arguments]
    with log.open("w") as said:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=_environment(sfu_binary),
            text=True,
            start_new_session=True,
        )
    try:
        yield Demo(process, log, out)
    finally:
        process.kill()
        process.communicate()


def _environment(sfu_binary: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIVEKIT_", "ROOMCAST_"))
    }
    return kept | {"ROOMCAST_SFU": str(sfu_binary), "COLUMNS": "120"}
