"""``roomcast dev`` from its first line to its last, and what becomes of all that it starts."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.dev.clips import find_clip
from agent.dev.demo import BARS_GUEST, FILM_GUEST
from agent.dev.token_server import PORT
from agent.tracks.pattern import source_id
from tests.clip_match import compare_with_clip
from tests.e2e.demo_process import Demo, roomcast_dev
from tests.perceive import perceive
from tests.waiting import until

# The first of them to run sees the whole demonstration.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

SECONDS = 12  # so that the film's second round is in it
MIN_PICTURES = 25 * SECONDS / 2


@dataclass(frozen=True)
class Shown:
    """A demonstration that came to its end by itself, with the usual port of the page taken."""

    code: int
    said: str
    recording: dict[str, Any]

    @property
    def folder(self) -> Path:
        return Path(self.recording["folder"])

    def file(self, identity: str) -> Path:
        """Return the one file of a guest."""
        tracks = self.recording["manifest"]["tracks"]
        [path] = {tuple(it["files"]) for it in tracks if it["identity"] == identity}
        [name] = path
        return self.folder / str(name)


@pytest.fixture(scope="module")
def shown(sfu_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("shown")
    with ExitStack() as stack:
        _take(PORT, stack)
        arguments = ("--seconds", str(SECONDS), "--json")
        demo = stack.enter_context(roomcast_dev(sfu_binary, folder, *arguments))
        code, printed = demo.end(within_s=SECONDS + 20)
        return Shown(code, demo.log.read_text(), json.loads(printed))


@pytest.fixture
def demo(sfu_binary: Path, tmp_path: Path) -> Iterator[Demo]:
    """One that would go on, with both of its guests in the room and recorded."""
    with roomcast_dev(sfu_binary, tmp_path, "--seconds", "600", "--json", "--port", "0") as demo:
        until(lambda: len(demo.events("track_subscribed")) == 4, "both guests are recorded")
        yield demo


def test_it_ends_by_itself_with_what_it_was_to_record(shown: Shown) -> None:
    manifest = shown.recording["manifest"]

    assert (shown.code, shown.recording["problems"]) == (0, [])
    assert (manifest["state"], manifest["end_reason"]) == ("complete", "limit")
    assert manifest["duration_s"] == pytest.approx(SECONDS, abs=0.5)
    assert {entry["identity"] for entry in manifest["participants"]} == {BARS_GUEST, FILM_GUEST}
    assert [track["gaps"] for track in manifest["tracks"]] == [[]] * 4


def test_what_it_recorded_passes_a_whole_check(shown: Shown) -> None:
    verify = [sys.executable, "-m", "agent", "verify", str(shown.folder), "--json"]
    verdict = json.loads(subprocess.run(verify, stdout=subprocess.PIPE, check=True).stdout)

    assert verdict["passed"]
    files = {entry["path"]: entry for entry in verdict["files"]}
    assert {Path(path).stem for path in files} == {BARS_GUEST, FILM_GUEST}
    assert {entry["checked"] for entry in files.values()} == {"full"}
    assert min(entry["pictures_decoded"] for entry in files.values()) > MIN_PICTURES


def test_the_bars_are_recorded_as_they_were_published(shown: Shown) -> None:
    bars = perceive(shown.file(BARS_GUEST))

    assert bars.source_ids() == {source_id(BARS_GUEST)}
    assert len(bars.numbers()) > MIN_PICTURES
    # All four that take part share this machine: on a busy one the sender leaves pictures out.
    assert bars.share_of_numbers() >= 0.9
    assert bars.repeated_numbers() == []


def test_the_film_is_recorded_as_it_was_published(shown: Shown) -> None:
    match = compare_with_clip(shown.file(FILM_GUEST), find_clip())

    assert match.faults() == []


def test_a_taken_port_that_nobody_asked_for_gives_way_to_the_next_free_one(shown: Shown) -> None:
    [port] = re.findall(r"the page: http://127\.0\.0\.1:(\d+)/", shown.said)

    assert PORT < int(port) < PORT + 100


def test_a_taken_port_that_was_asked_for_is_an_error(sfu_binary: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        port = _take(0, stack)
        demo = stack.enter_context(roomcast_dev(sfu_binary, tmp_path, "--port", str(port)))
        code, printed = demo.end()

    assert (code, printed) == (2, "")
    assert demo.log.read_text().splitlines()[-1] == (
        f"roomcast: TCP port {port} is taken by another program: "
        "end that one or choose another port"
    )


def test_ctrl_c_once_ends_it_well(demo: Demo) -> None:
    demo.press_ctrl_c()
    code, printed = demo.end()

    recording = json.loads(printed)
    assert (code, recording["end_reason"], recording["problems"]) == (0, "stopped", [])
    assert recording["manifest"]["state"] == "complete"
    assert "stopping; a second signal leaves at once" in demo.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_nothing_that_it_started_outlives_it(demo: Demo, number: signal.Signals) -> None:
    family = demo.family()
    started = " ".join(word for process in family for word in process.cmdline())

    demo.process.send_signal(number)
    demo.process.wait(timeout=15)

    assert all(name in started for name in ("livekit-server", "tokenserver", "publish", "play"))
    until(lambda: not any(_runs(process) for process in family), "all are gone", within_s=3)


def _take(port: int, stack: ExitStack) -> int:
    """Take a port for as long as ``stack`` lasts, unless somebody has it already."""
    taken = stack.enter_context(socket.socket())
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        return port
    taken.listen()
    return int(taken.getsockname()[1])


def _runs(process: psutil.Process) -> bool:
    """Whether it runs; a zombie, which nobody in a container may collect, doesn't."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
