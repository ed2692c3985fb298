import shutil
from pathlib import Path

import pytest

from agent.errors import RecordingError
from agent.recording.finishing import finish
from agent.recording.folder import OWNER_NAME
from agent.recording.ledger import RESERVE_NAME
from agent.recording.manifest import MANIFEST_NAME, Manifest, State, Stop
from agent.recording.recovery import Rescue, recover, verify
from agent.room import Source
from tests.agent.recording.studio import Studio
from tests.doubles import ManualClock
from tests.perceive import Perception, perceive

CAMERA, MICROPHONE = Source.CAMERA, Source.MICROPHONE


@pytest.fixture
def studio(clock: ManualClock, tmp_path: Path) -> Studio:
    return Studio(clock, tmp_path / "out")


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """Where a copy of the recording is put as a crash would leave it."""
    return tmp_path / "crashed"


def crash(studio: Studio, to: Path) -> None:
    shutil.copytree(studio.folder.path, to)


def rescued(place: Path) -> Rescue:
    (rescue,) = recover(place)
    return rescue


def seen(folder: Path, name: str = "ann.mkv") -> Perception:
    return perceive(folder / "participants" / name)


async def test_what_a_crash_left_is_finished_and_passes_its_check(
    studio: Studio, crashed: Path
) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(7.3)
        crash(studio, crashed)

    rescue = rescued(crashed)

    assert (rescue.recovered, rescue.owner, rescue.problems) == (True, "", [])
    manifest = Manifest.load(crashed)
    assert manifest == rescue.manifest
    assert (manifest.state, manifest.end_reason) == (State.RECOVERED, Stop.RECORDER_DOWN)
    assert verify(crashed, "full").problems == []
    numbers = seen(crashed).numbers()
    assert numbers == list(range(len(numbers)))
    assert len(numbers) / 10 >= 7.3 - 2.0
    assert not (crashed / OWNER_NAME).exists()
    assert not (crashed / RESERVE_NAME).exists()


async def test_parts_that_a_crash_left_become_one_file(studio: Studio, crashed: Path) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", MICROPHONE)
        await studio.play(3.0)
        ann.publish(CAMERA)
        await studio.play(4.0)
        crash(studio, crashed)

    rescue = rescued(crashed)

    assert rescue.problems == []
    assert [path.name for path in (crashed / "participants").iterdir()] == ["ann.mkv"]
    assert verify(crashed, "full").problems == []
    whole = seen(crashed)
    assert whole.numbers()[0] == 30
    assert whole.pictures[0].time_s == pytest.approx(3.0, abs=0.002)


async def test_a_part_that_no_manifest_knows_yet_is_found_by_what_it_says(
    studio: Studio, crashed: Path
) -> None:
    async with studio.recording():
        await studio.guest("ann", MICROPHONE)
        await studio.play(4.0)
        saved = (studio.folder.path / MANIFEST_NAME).read_bytes()
        await studio.guest("Ben/B", CAMERA, MICROPHONE)
        await studio.play(4.0)
        crash(studio, crashed)
    (crashed / MANIFEST_NAME).write_bytes(saved)

    rescue = rescued(crashed)

    assert rescue.problems == []
    manifest = Manifest.load(crashed)
    assert {(track.identity, track.source) for track in manifest.tracks} == {
        ("ann", MICROPHONE),
        ("Ben/B", CAMERA),
        ("Ben/B", MICROPHONE),
    }
    (ben,) = [file for file in manifest.files if "Ben" in file.path]
    assert ben.start_s == pytest.approx(4.0, abs=0.01)
    assert verify(crashed, "full").problems == []


async def test_who_was_muted_when_it_crashed_ends_when_they_were_muted(
    studio: Studio, crashed: Path
) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(3.0)
        ann.tracks[1].set_muted(muted=True)
        await studio.play(4.0)
        crash(studio, crashed)

    assert rescued(crashed).problems == []
    (microphone,) = [t for t in Manifest.load(crashed).tracks if t.source is MICROPHONE]
    assert microphone.start_s + microphone.duration_s == pytest.approx(3.0, abs=0.1)


async def test_a_living_recording_is_left_alone(studio: Studio) -> None:
    async with studio.recording():
        await studio.guest("ann", MICROPHONE)
        await studio.play(3.0)
        before = (studio.folder.path / MANIFEST_NAME).read_bytes()

        rescue = rescued(studio.out)

        assert rescue.owner.startswith("process ")
        assert not rescue.recovered
        assert (studio.folder.path / MANIFEST_NAME).read_bytes() == before
        await studio.play(1.0)

    assert studio.stop is Stop.STOPPED


async def test_recovering_twice_does_nothing_the_second_time(studio: Studio, crashed: Path) -> None:
    async with studio.recording():
        await studio.guest("ann", MICROPHONE)
        await studio.play(3.0)
        crash(studio, crashed)
    rescued(crashed)
    before = (crashed / MANIFEST_NAME).read_bytes()

    again = rescued(crashed)

    assert (again.recovered, again.problems) == (False, [])
    assert (crashed / MANIFEST_NAME).read_bytes() == before


async def test_a_joining_that_was_cut_off_is_taken_up_again(studio: Studio, crashed: Path) -> None:
    """The file that the parts became is there, the parts and the old manifest too."""
    async with studio.recording() as recorder:
        ann = await studio.guest("ann", MICROPHONE)
        await studio.play(3.0)
        ann.publish(CAMERA)
        await studio.play(3.0)
    crash(studio, crashed)
    finish(studio.folder.path, recorder.manifest, State.COMPLETE)
    joined = studio.folder.path / "participants" / "ann.mkv"
    shutil.copy(joined, crashed / "participants" / "ann.mkv")

    rescue = rescued(crashed)

    assert rescue.problems == []
    assert len(rescue.manifest.files if rescue.manifest else []) == 1
    assert verify(crashed, "full").problems == []
    assert seen(crashed).numbers() == list(range(30, 60))


async def test_a_part_without_media_is_told_and_the_others_are_rescued(
    studio: Studio, crashed: Path
) -> None:
    async with studio.recording():
        await studio.guest("ann", MICROPHONE)
        await studio.play(4.0)
        crash(studio, crashed)
    (crashed / "participants" / "ben.mkv").write_bytes(b"")
    (crashed / "participants" / "eve.mkv").write_bytes(bytes(5000))

    rescue = rescued(crashed)

    assert rescue.recovered
    assert len(rescue.problems) == 2
    assert all("holds no media" in problem for problem in rescue.problems)
    assert verify(crashed, "full").problems == []


async def test_a_part_cut_off_anywhere_is_rescued_up_to_there(
    studio: Studio, crashed: Path
) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(6.0)
        crash(studio, crashed)
    path = crashed / "participants" / "ann.mkv"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    rescue = rescued(crashed)

    assert rescue.recovered
    numbers = seen(crashed).numbers()
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 20
    assert verify(crashed, "full").problems == rescue.problems


async def test_a_recording_of_nothing_is_recovered_as_such(studio: Studio, crashed: Path) -> None:
    async with studio.recording():
        await studio.play(3.0)
        crash(studio, crashed)

    rescue = rescued(crashed)

    assert (rescue.recovered, rescue.problems) == (True, [])
    assert rescue.manifest is not None
    assert rescue.manifest.files == []


def test_a_manifest_that_is_none_is_told_and_the_folder_left_alone(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text("{")

    rescue = rescued(tmp_path)

    assert rescue.manifest is None
    assert "not a manifest" in rescue.problems[0]
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such folder"):
        list(recover(tmp_path / "nowhere"))
