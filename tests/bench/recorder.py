"""What recording one participant costs, beside a recorder written on the bare SDK."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from agent.dev.sfu import Sfu
from agent.dev.sfu_binary import obtain_sfu
from tests.bench.processes import cost_of
from tests.roomcast_process import environment, roomcast

PATTERN = ("--video", "bars:1280x720@30", "--audio", "beep:440")
WARM_UP_S = 5.0
SECONDS = 15.0
ROUNDS = 3


def run() -> dict[str, object]:
    """Record the same 720p30 participant with both at once; return the medians of the rounds."""
    ours, theirs, memory = [], [], []
    with tempfile.TemporaryDirectory(prefix="roomcast-bench-") as scratch:
        place = Path(scratch)
        with Sfu(obtain_sfu(print), port=0, udp_port=0, log=place / "sfu.log") as sfu:
            bars = ("publish", "bench", "--identity", "ann", *PATTERN)
            with roomcast(sfu, *bars, log=place / "publish.log"):
                for number in range(ROUNDS):
                    our, their, rss = _round(sfu, place, number)
                    ours.append(our)
                    theirs.append(their)
                    memory.append(rss)
    return {
        "picture": "1280x720@30 with sound",
        "roomcast_cpu_percent": round(median(ours), 1),
        "bare_sdk_cpu_percent": round(median(theirs), 1),
        "ratio": round(median(o / t for o, t in zip(ours, theirs, strict=True)), 2),
        "roomcast_rss_mb": round(median(memory) / 1e6),
        "rounds": ROUNDS,
    }


def _round(sfu: Sfu, place: Path, number: int) -> tuple[float, float, int]:
    file = place / f"raw-{number}.mkv"
    raw_command = [sys.executable, "-m", "tests.bench.raw_recorder", "bench", str(file), "600"]
    out = place / f"ours-{number}"
    with (
        roomcast(sfu, "record", "bench", "-o", out, log=place / "record.log") as our,
        subprocess.Popen(raw_command, env=environment(sfu)) as their,
    ):
        time.sleep(WARM_UP_S)
        before = cost_of(our.pid), cost_of(their.pid)
        started = time.monotonic()
        time.sleep(SECONDS)
        after = cost_of(our.pid), cost_of(their.pid)
        elapsed = time.monotonic() - started
        assert our.poll() is None
        assert their.poll() is None, "the peer has broken: its figures are worth nothing"
        their.terminate()
    percents = [100 * (a - b).cpu_s / elapsed for a, b in zip(after, before, strict=True)]
    return percents[0], percents[1], after[0].rss_bytes
