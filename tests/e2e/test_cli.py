"""The command line as a user meets it: processes, signals, and a real SFU."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from livekit import api

from agent.dev.ports import choose_port
from agent.dev.sfu import Sfu
from agent.recording.manifest import Manifest, State
from tests.media_files import Pictures, Sound, cut_short, write_media
from tests.roomcast_process import ENDS_WITHIN_S, environment
from tests.waiting import until

pytestmark = pytest.mark.e2e

BARS = ("--video", "bars:320x180@25", "--audio", "beep")


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Running:
    """A command that runs; what it says on stderr lies in a file."""

    process: subprocess.Popen[str]
    log: Path

    def said(self, words: str) -> None:
        """Wait until it has said ``words``."""
        until(lambda: words in self.log.read_text(), f"roomcast says {words!r}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> Ended:
        stdout, _ = self.process.communicate(timeout=ENDS_WITHIN_S)
        return Ended(self.process.returncode, stdout, self.log.read_text())


@dataclass(frozen=True)
class Shell:
    """Where commands are typed."""

    variables: Mapping[str, str]
    folder: Path

    @contextmanager
    def started(self, *arguments: object) -> Iterator[Running]:
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "agent", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=dict(self.variables),
                text=True,
            )
        try:
            yield Running(process, log)
        finally:
            process.kill()
            process.communicate()

    def run(self, *arguments: object) -> Ended:
        with self.started(*arguments) as running:
            return running.end()

    def with_variables(self, **variables: str) -> "Shell":
        return Shell({**self.variables, **variables}, self.folder)


@pytest.fixture
def shell(sfu: Sfu, tmp_path: Path) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(environment(sfu), folder)


@pytest.fixture
def publisher(shell: Shell, room_name: str) -> Iterator[Running]:
    """A participant called ann, who publishes."""
    with shell.started("publish", room_name, "--identity", "ann", *BARS) as running:
        yield running


def recorded(out: Path) -> Path:
    [folder] = out.iterdir()
    return folder


def seconds_in(path: Path) -> float:
    """Return how far a file can be played."""
    with av.open(str(path)) as container:
        return max(
            float(packet.pts * packet.time_base)
            for packet in container.demux()
            if packet.pts is not None and packet.time_base
        )


def test_a_room_is_recorded_and_the_recording_verified(
    shell: Shell, publisher: Running, room_name: str, tmp_path: Path
) -> None:
    publisher.said("joined")

    ended = shell.run("record", room_name, "-o", tmp_path / "rec", "--seconds", 3, "--json")

    assert ended.code == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["manifest"]["state"] == "complete"
    assert [it["path"] for it in document["manifest"]["files"]] == ["participants/ann.mkv"]
    assert {it["source"] for it in document["manifest"]["tracks"]} == {"camera", "microphone"}
    verified = shell.run("verify", document["folder"])
    assert verified.code == 0, verified.stdout
    assert "nothing wrong (decoded whole)" in verified.stdout


def test_a_first_signal_finishes_the_recording(
    shell: Shell, publisher: Running, room_name: str, tmp_path: Path
) -> None:
    publisher.said("joined")
    with shell.started("record", room_name, "-o", tmp_path / "rec") as recorder:
        recorder.said("recording into")
        files = tmp_path / "rec"
        [part] = until(lambda: list(files.glob("*/participants/*")), "something is recorded")
        until(lambda: part.stat().st_size > 15_000, "a second or so is recorded")
        recorder.send(signal.SIGTERM)
        ended = recorder.end()

    assert ended.code == 0, ended.stderr
    assert "complete" in ended.stdout
    assert Manifest.load(recorded(tmp_path / "rec")).state is State.COMPLETE


def test_a_second_signal_leaves_at_once_and_files_can_be_played(
    shell: Shell, publisher: Running, room_name: str, tmp_path: Path
) -> None:
    publisher.said("joined")
    out = tmp_path / "rec"
    with shell.started("record", room_name, "-o", out) as recorder:
        recorder.said("recording into")
        [part] = until(lambda: list(out.glob("*/participants/*")), "something is recorded")
        until(lambda: part.stat().st_size > 30_000, "two seconds or so are recorded")
        # Both before the loop takes its next step: the first alone would end in a moment.
        recorder.send(signal.SIGSTOP)
        recorder.send(signal.SIGINT)
        recorder.send(signal.SIGTERM)
        recorder.send(signal.SIGCONT)
        ended = recorder.end()

    assert ended.code == 130
    assert ended.stdout == ""
    assert "left at once" in ended.stderr
    assert seconds_in(part) > 1
    recovered = shell.run("recover", out)
    assert recovered.code == 0, recovered.stdout
    assert "is recovered" in recovered.stdout
    assert shell.run("verify", recorded(out)).code == 0


def test_a_publisher_that_is_stopped_leaves_the_room(publisher: Running) -> None:
    publisher.said("joined")
    publisher.send(signal.SIGTERM)

    ended = publisher.end()

    assert ended.code == 0
    assert "bars:320x180@25 and beep" in ended.stdout


def test_a_server_that_isn_t_there_is_told(shell: Shell, room_name: str, tmp_path: Path) -> None:
    nowhere = f"ws://127.0.0.1:{choose_port(0, 0)}"

    ended = shell.with_variables(LIVEKIT_URL=nowhere).run("record", room_name, "-o", tmp_path / "r")

    assert ended.code == 3
    assert ended.stderr.endswith(
        f"roomcast: can't join room {room_name!r} at {nowhere}: "
        "nothing listens there; is the server running?\n"
    )
    assert list((tmp_path / "r").iterdir()) == []


def test_a_wrong_key_is_told_without_the_token(
    shell: Shell, room_name: str, tmp_path: Path
) -> None:
    wrong = shell.with_variables(LIVEKIT_API_SECRET="w" * 40)

    ended = wrong.run("record", room_name, "-o", tmp_path / "rec", "-vv")

    assert ended.code == 3
    assert "the server refused the token" in ended.stderr
    assert "eyJ" not in ended.stderr
    assert "w" * 40 not in ended.stderr


async def test_a_full_room_is_told_to_who_isn_t_a_recorder(
    sfu: Sfu, shell: Shell, publisher: Running, room_name: str
) -> None:
    publisher.send(signal.SIGKILL)
    async with api.LiveKitAPI(
        sfu.url.replace("ws:", "http:"), sfu.api_key, sfu.api_secret
    ) as service:
        request = api.CreateRoomRequest(name=f"{room_name}-small", max_participants=1)
        await service.room.create_room(request)
    with shell.started("publish", f"{room_name}-small", "--identity", "ann", *BARS) as first:
        first.said("joined")

        ended = shell.run("publish", f"{room_name}-small", "--identity", "bob", *BARS)

    assert ended.code == 3
    assert "the room is full" in ended.stderr


def test_a_folder_that_can_t_be_written_is_told_at_once(
    shell: Shell, room_name: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    ended = shell.run("record", room_name, "-o", tmp_path / "file")

    assert ended.code == 2
    assert "choose another with -o" in ended.stderr


def test_a_film_is_played_into_a_room(shell: Shell, room_name: str, tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mp4", Pictures(50), Sound(2.0))

    ended = shell.run("play", room_name, film, "--json")

    assert ended.code == 0, ended.stderr
    [shown] = json.loads(ended.stdout)["published"]
    assert shown["pictures"] >= 48
    assert shown["blocks"] >= 95


def test_a_film_that_is_cut_off_before_its_index_is_told(
    shell: Shell, room_name: str, tmp_path: Path
) -> None:
    film = cut_short(write_media(tmp_path / "film.mp4", Pictures(50), Sound(2.0)), 0.5)

    ended = shell.run("play", room_name, film)

    assert ended.code == 2
    assert f"roomcast: can't use {film}: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_doctor_finds_nothing_wrong(shell: Shell, room_name: str) -> None:
    ended = shell.run("doctor", "--room", room_name, "-o", shell.folder)

    assert ended.code == 0, ended.stdout
    assert "✗" not in ended.stdout
    assert "✓ token: the server accepts it" in ended.stdout
    assert f"✓ join: joined {room_name!r}" in ended.stdout


def test_the_doctor_names_a_wrong_key(shell: Shell) -> None:
    ended = shell.with_variables(LIVEKIT_API_SECRET="w" * 40).run("doctor", "-o", shell.folder)

    assert ended.code == 3
    assert "✗ token: the server refuses it (401)" in ended.stdout
    assert "LIVEKIT_API_KEY or its secret is none of this server's" in ended.stdout
    assert "eyJ" not in ended.stdout + ended.stderr


def test_help_is_there_at_once(shell: Shell) -> None:
    before = os.times()

    ended = shell.run("--help")

    after = os.times()
    cpu_s = after.children_user + after.children_system
    cpu_s -= before.children_user + before.children_system
    assert ended.code == 0
    assert cpu_s < 0.5
