"""A recorder killed at a random second, twenty times: nothing but its last moments is lost."""

import json
import random
import tempfile
import time
from pathlib import Path

from agent.dev.sfu import Sfu
from agent.dev.sfu_binary import obtain_sfu
from agent.recording.folder import recordings_in
from agent.recording.manifest import Manifest
from tests.perceive import perceive
from tests.roomcast_process import roomcast
from tests.roomcast_process import run as run_roomcast
from tests.waiting import until

PATTERN = ("--identity", "ann", "--video", "bars:640x360@30", "--audio", "beep:440")
TIMES = 20
LONGEST_LOSS_S = 2.0


def run(times: int = TIMES, *, seed: int | None = None) -> dict[str, object]:
    """Kill ``times`` recorders at 3 to 12 s; each is recovered and compared with what it was."""
    chance = random.Random(seed)
    losses = []
    with tempfile.TemporaryDirectory(prefix="roomcast-soak-") as scratch:
        place = Path(scratch)
        with (
            Sfu(obtain_sfu(print), port=0, udp_port=0, log=place / "sfu.log") as sfu,
            roomcast(sfu, "publish", "kills", *PATTERN, log=place / "publish.log"),
        ):
            for number in range(times):
                losses.append(_kill(sfu, place / str(number), chance.uniform(3, 12)))
    return {
        "passed": all(loss <= LONGEST_LOSS_S for loss in losses),
        "kills": times,
        "lost_s": [round(loss, 2) for loss in losses],
        "worst_lost_s": round(max(losses), 2),
    }


def _kill(sfu: Sfu, place: Path, after_s: float) -> float:
    """Return how many seconds before the kill the recording ends, as it lies and recovered."""
    place.mkdir()
    with roomcast(sfu, "record", "kills", "-o", place, log=place / "record.log") as recorder:
        manifest = until(lambda: _running(place), "a track is recorded", within_s=15.0)
        time.sleep(after_s)
        killed_at = time.time()
        recorder.kill()
        recorder.wait()
    [folder] = recordings_in(place)
    killed_s = killed_at - manifest.started_at.timestamp()
    [part] = sorted((folder / "participants").glob("*.mkv"))
    start_s = manifest.files[0].start_s
    seen = perceive(part)
    assert seen.sound is not None
    as_it_lies_s = start_s + min(seen.pictures[-1].time_s, seen.sound.end_s)
    code, printed = run_roomcast(sfu, ("recover", place, "--json"), place / "recover.log")
    assert code == 0, printed
    code, printed = run_roomcast(sfu, ("verify", folder, "--json"), place / "verify.log")
    assert code == 0, json.loads(printed)
    recovered = Manifest.load(folder)
    recovered_s = max(entry.start_s + entry.duration_s for entry in recovered.files)
    return killed_s - min(as_it_lies_s, recovered_s)


def _running(place: Path) -> Manifest | None:
    for folder in recordings_in(place):
        manifest = Manifest.load(folder)
        if len(manifest.tracks) == 2 and manifest.files:
            return manifest
    return None
