"""Ten minutes in one file: sound and pictures at its end lie as they did at its start."""

import json
import tempfile
from pathlib import Path
from statistics import median

from agent.dev.sfu import Sfu
from agent.dev.sfu_binary import obtain_sfu
from agent.recording.folder import recordings_in
from agent.recording.skew import Skew, measure_skew
from tests.perceive import Perception, perceive
from tests.roomcast_process import roomcast

SECONDS = 600
PATTERN = ("--video", "bars:640x360@30", "--audio", "beep:440")
WINDOW_S = 60.0
MAX_DRIFT_MS = 10.0
MAX_MEDIAN_MS, MAX_P95_MS = 40.0, 60.0
MIN_SHARE_OF_PICTURES = 0.99


def run(seconds: int = SECONDS) -> dict[str, object]:
    """Record a pattern and its beeps for ``seconds``, and look at and listen to all of it."""
    with tempfile.TemporaryDirectory(prefix="roomcast-soak-") as scratch:
        place = Path(scratch)
        with Sfu(obtain_sfu(print), port=0, udp_port=0, log=place / "sfu.log") as sfu:
            bars = ("publish", "drift", "--identity", "ann", *PATTERN)
            record = ("record", "drift", "-o", place, "--seconds", str(seconds), "--json")
            with (
                roomcast(sfu, *bars, log=place / "publish.log"),
                roomcast(sfu, *record, log=place / "record.log") as recorder,
            ):
                printed, _ = recorder.communicate(timeout=seconds + 120)
        assert recorder.returncode == 0, (place / "record.log").read_text()
        json.loads(printed)
        [folder] = recordings_in(place)
        return _judge(perceive(folder / "participants" / "ann.mkv"))


def _judge(seen: Perception) -> dict[str, object]:
    assert seen.sound is not None
    flashes, beeps = seen.flashes(), seen.sound.beeps()
    whole = measure_skew(flashes, beeps)
    first, last = (_window(flashes, beeps, at_end=at_end) for at_end in (False, True))
    assert whole is not None
    assert first is not None
    assert last is not None
    numbers = seen.numbers()
    share = len(set(numbers)) / (numbers[-1] - numbers[0] + 1)
    holes_ms = [1000 * hole.duration_s for hole in seen.sound.holes]
    drift_ms = last.median_ms - first.median_ms
    return {
        "passed": abs(drift_ms) <= MAX_DRIFT_MS
        and abs(whole.median_ms) <= MAX_MEDIAN_MS
        and whole.p95_ms <= MAX_P95_MS
        and share >= MIN_SHARE_OF_PICTURES
        and len(numbers) == len(set(numbers)),
        "skew_median_ms": round(whole.median_ms, 1),
        "skew_p95_ms": round(whole.p95_ms, 1),
        "drift_ms": round(drift_ms, 1),
        "pictures_share": round(share, 5),
        "pictures_twice": len(numbers) - len(set(numbers)),
        "longest_hole_ms": max(holes_ms, default=0.0),
        "median_hole_ms": median(holes_ms) if holes_ms else 0.0,
    }


def _window(flashes: list[float], beeps: list[float], *, at_end: bool) -> Skew | None:
    start = flashes[-1] - WINDOW_S if at_end else flashes[0]
    wanted = [[t for t in times if start <= t <= start + WINDOW_S] for times in (flashes, beeps)]
    return measure_skew(*wanted)
