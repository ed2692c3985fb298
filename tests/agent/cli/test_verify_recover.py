import json
import os
import shutil
from pathlib import Path

import pytest

from agent.recording.folder import Ownership
from agent.recording.manifest import Manifest, State
from tests.agent.cli.stage import Stage, shows_bars


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished recording of one guest, made once; nobody changes it."""
    stage = Stage()
    stage.guests = {"ann": shows_bars}
    out = tmp_path_factory.mktemp("recorded")
    ended = stage.run("record", "demo", "-o", out, "--seconds", 0.6, "--json")
    return Path(ended.document["folder"])


@pytest.fixture
def recording(recorded: Path, tmp_path: Path) -> Path:
    """A copy of it to do things to."""
    return shutil.copytree(recorded, tmp_path / "rec" / recorded.name)


def leave_unfinished(recording: Path) -> None:
    manifest = Manifest.load(recording)
    manifest.state = State.RECORDING
    manifest.save(recording)


def damage(recording: Path) -> None:
    [file] = (recording / "participants").iterdir()
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("arguments", [(), ("--quick",)])
def test_a_recording_that_is_as_its_manifest_says_is_fine(
    arguments: tuple[str, ...], stage: Stage, recording: Path
) -> None:
    ended = stage.run("verify", recording, *arguments)

    assert ended.code == 0
    assert "participants/ann.mkv" in ended.stdout
    assert "✓ fine" in ended.stdout
    assert "nothing wrong" in ended.stdout


def test_the_manifest_s_own_path_names_its_recording(stage: Stage, recording: Path) -> None:
    assert stage.run("verify", recording / "manifest.json").code == 0


def test_damage_is_told_file_by_file(stage: Stage, recording: Path) -> None:
    damage(recording)

    ended = stage.run("verify", recording)

    assert ended.code == 4
    assert "damaged" in ended.stdout
    assert "✗ has " in ended.stdout


def test_damage_is_told_to_a_program(stage: Stage, recording: Path) -> None:
    damage(recording)

    document = stage.run("verify", recording, "--json").document

    assert document["passed"] is False
    [file] = document["files"]
    assert file["passed"] is False
    assert "size" in [finding["kind"] for finding in file["findings"]]
    assert all(finding["text"] in " ".join(document["problems"]) for finding in file["findings"])


def test_what_no_file_tells_is_told_below_the_table(stage: Stage, recording: Path) -> None:
    leave_unfinished(recording)

    ended = stage.run("verify", recording)

    assert ended.code == 4
    assert "it is not finished but recording: run roomcast recover" in ended.stdout


def test_verifying_what_isn_t_there_is_a_mistake_in_the_command(
    stage: Stage, tmp_path: Path
) -> None:
    ended = stage.run("verify", tmp_path / "gone")

    assert ended.code == 2
    assert f"there is no recording {tmp_path / 'gone'}" in ended.stderr


def test_verifying_a_folder_of_recordings_names_one_of_them(stage: Stage, recording: Path) -> None:
    ended = stage.run("verify", recording.parent)

    assert ended.code == 2
    assert f"name one of those in it, such as {recording}" in ended.stderr


def test_a_manifest_that_is_none_is_damage(stage: Stage, recording: Path) -> None:
    (recording / "manifest.json").write_text("{}")

    ended = stage.run("verify", recording)

    assert ended.code == 4
    assert "not a manifest of version 1" in ended.stderr


def test_what_a_crash_left_is_recovered(stage: Stage, recording: Path) -> None:
    leave_unfinished(recording)

    ended = stage.run("recover", recording.parent)

    assert ended.code == 0
    assert f"{recording} is recovered: " in ended.stdout
    assert Manifest.load(recording).state is State.RECOVERED
    assert stage.run("verify", recording).code == 0


def test_what_is_finished_needs_nothing(stage: Stage, recording: Path) -> None:
    before = (recording / "manifest.json").read_bytes()

    ended = stage.run("recover", recording)

    assert ended.code == 0
    assert "1 of 1 recordings" in ended.stdout
    assert (recording / "manifest.json").read_bytes() == before


def test_what_somebody_is_still_writing_is_left_alone(stage: Stage, recording: Path) -> None:
    leave_unfinished(recording)
    owner = Ownership(recording)
    try:
        ended = stage.run("recover", recording.parent)
    finally:
        owner.release()

    assert ended.code == 0
    assert "is left alone: process" in ended.stdout
    assert Manifest.load(recording).state is State.RECORDING


def test_what_can_t_be_recovered_is_damage(stage: Stage, recording: Path) -> None:
    leave_unfinished(recording)
    [file] = (recording / "participants").iterdir()
    os.truncate(file, 0)

    ended = stage.run("recover", recording, "--json")

    assert ended.code == 4
    [rescue] = ended.document["recordings"]
    assert rescue["folder"] == str(recording)
    assert "ann.mkv holds no media" in rescue["problems"][0]


def test_recovering_a_folder_that_isn_t_there_is_a_mistake_in_the_command(
    stage: Stage, tmp_path: Path
) -> None:
    ended = stage.run("recover", tmp_path / "gone")

    assert ended.code == 2
    assert f"there is no folder {tmp_path / 'gone'}" in ended.stderr


def test_the_schema_describes_the_manifest(stage: Stage) -> None:
    ended = stage.run("schema", "manifest")

    assert ended.code == 0
    assert json.loads(ended.stdout)["title"] == "Manifest"
