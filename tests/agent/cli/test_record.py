import os
import signal
import stat
from pathlib import Path
from typing import get_args

import pytest

from agent.cli.record import Container, RecordedSource
from agent.errors import AccessError, JoinError
from agent.recording.finishing import ContainerChoice
from agent.recording.manifest import Manifest, State
from agent.room import EndReason, Source
from tests.agent.cli.stage import Stage, shows_bars
from tests.fake_room import FakeRoom


def recordings(out: Path) -> list[Path]:
    return sorted(out.iterdir()) if out.exists() else []


async def shows_bars_and_interrupts(stage: Stage, room: FakeRoom) -> None:
    """Publish for a while, then press Ctrl-C."""
    await shows_bars(stage, room, seconds=0.5)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_recording_is_told_as_a_table_of_its_files(stage: Stage, tmp_path: Path) -> None:
    stage.guests = {"ann": shows_bars}

    ended = stage.run("record", "demo", "-o", tmp_path, "--seconds", 1)

    assert ended.code == 0, ended.stderr
    [folder] = recordings(tmp_path)
    assert f"{folder}: complete, 1.0 s (limit reached)" in ended.stdout
    assert "participants/ann.mkv" in ended.stdout
    assert "160x96" in ended.stdout
    assert f"recording into {folder}" in ended.stderr


def test_a_recording_is_told_to_a_program_as_one_document(stage: Stage, tmp_path: Path) -> None:
    stage.guests = {"ann": shows_bars}

    ended = stage.run("record", "demo", "-o", tmp_path, "--seconds", 0.6, "--json")

    [folder] = recordings(tmp_path)
    assert ended.code == 0, ended.stderr
    assert ended.document["folder"] == str(folder)
    assert ended.document["end_reason"] == "limit"
    assert ended.document["problems"] == []
    assert Manifest.model_validate(ended.document["manifest"]) == Manifest.load(folder)


def test_what_is_to_be_recorded_can_be_chosen(stage: Stage, tmp_path: Path) -> None:
    stage.guests = {"ann": shows_bars, "bob": shows_bars, "bot-1": shows_bars}
    choice = ["--include", "*", "--exclude", "bot-*", "--exclude", "bob", "--source", "microphone"]

    ended = stage.run("record", "demo", "-o", tmp_path, "--seconds", 0.6, "--json", *choice)

    tracks = ended.document["manifest"]["tracks"]
    assert [(it["identity"], it["source"]) for it in tracks] == [("ann", "microphone")]


def test_the_recorder_is_called_after_its_recording(stage: Stage, tmp_path: Path) -> None:
    ended = stage.run("record", "demo", "-o", tmp_path, "--seconds", 0.1, "--json")

    assert stage.joined == [f"rec-{ended.document['manifest']['id']}"]


def test_the_recorder_is_called_as_one_wishes(stage: Stage, tmp_path: Path) -> None:
    stage.run("record", "demo", "-o", tmp_path, "--seconds", 0.1, "--identity", "eve")

    assert stage.joined == ["eve"]
    assert stage.recorders == ["eve"]


def test_an_empty_room_ends_the_recording_and_that_is_fine(stage: Stage, tmp_path: Path) -> None:
    ended = stage.run("record", "demo", "-o", tmp_path, "--until-empty", 0.1)

    assert ended.code == 0
    assert "nobody published any more" in ended.stdout


def test_a_size_ends_the_recording(stage: Stage, tmp_path: Path) -> None:
    stage.guests = {"ann": shows_bars}

    ended = stage.run("record", "demo", "-o", tmp_path, "--max-bytes", "1kB", "--json")

    assert ended.code == 0
    assert ended.document["end_reason"] == "limit"


def test_ctrl_c_ends_the_recording_well(stage: Stage, tmp_path: Path) -> None:
    stage.guests = {"ann": shows_bars_and_interrupts}

    ended = stage.run("record", "demo", "-o", tmp_path, "--json")

    assert ended.code == 0
    assert ended.document["end_reason"] == "stopped"
    assert ended.document["manifest"]["state"] == "complete"
    assert "stopping; a second signal leaves at once" in ended.stderr
    assert stage.present() == []


def test_ctrl_c_while_joining_leaves_nothing_behind(stage: Stage, tmp_path: Path) -> None:
    stage.sfu.hold_joins()
    stage.when_a_room_is_made(lambda: os.kill(os.getpid(), signal.SIGINT))

    ended = stage.run("record", "demo", "-o", tmp_path)

    assert ended.code == 0
    assert "stopped before the room was joined" in ended.stderr
    assert recordings(tmp_path) == []


def test_a_refused_join_leaves_no_folder(stage: Stage, tmp_path: Path) -> None:
    stage.sfu.refuse_joins(JoinError("demo", "ws://fake", "the room is full"))

    ended = stage.run("record", "demo", "-o", tmp_path)

    assert ended.code == 3
    assert "roomcast: can't join room 'demo' at ws://fake: the room is full\n" in ended.stderr
    assert ended.stdout == ""
    assert recordings(tmp_path) == []


def test_a_refused_token_leaves_no_folder(stage: Stage, tmp_path: Path) -> None:
    stage.refusal = AccessError("http://tokens", "HTTP 403, no such role", retry=False)

    ended = stage.run("record", "demo", "-o", tmp_path)

    assert ended.code == 3
    assert "roomcast: no token from http://tokens: HTTP 403, no such role\n" in ended.stderr
    assert recordings(tmp_path) == []


def test_a_folder_that_can_t_be_made_is_told_before_anyone_joins(
    stage: Stage, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    ended = stage.run("record", "demo", "-o", tmp_path / "file" / "out")

    assert ended.code == 2
    assert f"can't write recordings to {tmp_path / 'file' / 'out'}" in ended.stderr
    assert stage.rooms == []


@pytest.mark.parametrize("reason", [EndReason.REMOVED, EndReason.DUPLICATE_IDENTITY])
def test_a_recorder_that_was_put_out_tells_it_and_keeps_what_it_has(
    reason: EndReason, stage: Stage, tmp_path: Path
) -> None:
    async def puts_it_out(stage: Stage, room: FakeRoom) -> None:
        await shows_bars(stage, room, seconds=0.5)
        stage.sfu.end(stage.rooms[0], reason)

    stage.guests = {"ann": puts_it_out}

    ended = stage.run("record", "demo", "-o", tmp_path, "--json")

    assert ended.code == 3
    assert ended.document["end_reason"] == reason.value
    assert [it["path"] for it in ended.document["manifest"]["files"]] == ["participants/ann.mkv"]


def test_what_a_crash_left_is_finished_meanwhile(stage: Stage, tmp_path: Path) -> None:
    stage.guests = {"ann": shows_bars}
    left = stage.run("record", "demo", "-o", tmp_path, "--seconds", 0.6, "--json")
    folder = Path(left.document["folder"])
    manifest = Manifest.load(folder)
    manifest.state = State.RECORDING
    manifest.save(folder)
    again = Stage(guests={"bob": shows_bars})

    ended = again.run("record", "demo", "-o", tmp_path, "--seconds", 1.5)

    assert f"{folder} is recovered" in ended.stderr
    assert Manifest.load(folder).state is State.RECOVERED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("record",), "ROOM"),
        (("record", ""), "a room's name must not be empty"),
        (("record", "demo", "--identity", "a#b"), "must not contain '#'"),
        (("record", "demo", "--max-bytes", "lots"), "no such size: 'lots'"),
        (("record", "demo", "--seconds", "0"), "--seconds"),
        (("record", "demo", "--source", "radio"), "--source"),
        (("record", "demo", "--container", "avi"), "--container"),
    ],
)
def test_what_was_typed_wrong_is_told_before_anything_is_done(
    arguments: tuple[str, ...], said: str, stage: Stage, tmp_path: Path
) -> None:
    stage.environment["ROOMCAST_OUT"] = str(tmp_path / "out")

    ended = stage.run(*arguments)

    assert ended.code == 2
    assert said in ended.stderr
    assert stage.rooms == []
    assert not (tmp_path / "out").exists()


def test_a_room_that_isn_t_configured_is_told(stage: Stage) -> None:
    stage.environment.clear()

    ended = stage.run("record", "demo")

    assert ended.code == 2
    assert ended.stderr.startswith("roomcast: where is the room? Set LIVEKIT_URL")


def test_a_hostile_name_stays_in_its_place(stage: Stage, tmp_path: Path) -> None:
    stage.guests = {"../../\x1b[2J[red]ann": shows_bars}

    ended = stage.run("record", "../../etc", "-o", tmp_path / "out", "--seconds", 0.6)

    assert ended.code == 0, ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
    assert "[red]ann" in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_the_user_can_read_a_recording(stage: Stage, tmp_path: Path) -> None:
    stage.run("record", "demo", "-o", tmp_path, "--seconds", 0.1)

    [folder] = recordings(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_sources_are_those_of_the_port() -> None:
    assert [it.value for it in RecordedSource] == [s.value for s in Source if s != Source.UNKNOWN]


def test_the_containers_are_those_that_can_be_written() -> None:
    assert get_args(Container) == get_args(ContainerChoice)
