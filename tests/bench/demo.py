"""What the demonstration costs in all, and how soon its bot publishes."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.processes import cost_of

WARM_UP_S = 6.0
SECONDS = 12.0


def run() -> dict[str, object]:
    """Run ``roomcast dev`` with two guests; return CPU of all its processes and start times."""
    with tempfile.TemporaryDirectory(prefix="roomcast-bench-") as scratch:
        command = [sys.executable, "-m", "agent", "dev", "--seconds", "30", "--out", scratch]
        started = time.monotonic()
        said = (Path(scratch) / "said.log").open("w+")
        with said, subprocess.Popen(command, stdout=said, stderr=said, text=True) as demo:
            in_room_s = _until_it_says(Path(said.name), r"in the room", started)
            time.sleep(WARM_UP_S)
            before, at = cost_of(demo.pid), time.monotonic()
            time.sleep(SECONDS)
            after = cost_of(demo.pid)
            elapsed = time.monotonic() - at
            code = demo.wait(timeout=60)
    return {
        "exit_code": code,
        "start_to_publishing_s": round(in_room_s, 2),
        "cpu_percent_of_a_core": round(100 * (after - before).cpu_s / elapsed, 1),
        "rss_mb": round(after.rss_bytes / 1e6),
        "cores": os.cpu_count(),
    }


def _until_it_says(log: Path, pattern: str, started: float) -> float:
    while time.monotonic() - started < 60:
        if re.search(pattern, log.read_text()):
            return time.monotonic() - started
        time.sleep(0.02)
    raise AssertionError(log.read_text())
