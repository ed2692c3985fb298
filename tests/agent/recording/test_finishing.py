from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.errors import JoinError, WriteError
from agent.media import Kind
from agent.recording.finishing import ContainerChoice, Finished, base_of, finish
from agent.recording.manifest import MANIFEST_NAME, Manifest, State
from agent.recording.recovery import verify
from agent.room import EndReason, Source
from tests.agent.recording.probes import largest_file
from tests.agent.recording.studio import Studio
from tests.doubles import ManualClock, settle

CAMERA, MICROPHONE = Source.CAMERA, Source.MICROPHONE


@pytest.fixture
def studio(clock: ManualClock, tmp_path: Path) -> Studio:
    return Studio(clock, tmp_path)


async def plain(studio: Studio) -> None:
    await studio.guest("ann", CAMERA, MICROPHONE)
    await studio.play(3.0)


async def late_camera(studio: Studio) -> None:
    ann = await studio.guest("ann", MICROPHONE)
    await studio.play(2.0)
    ann.publish(CAMERA)
    await studio.play(3.0)


async def late_microphone(studio: Studio) -> None:
    ann = await studio.guest("ann", CAMERA)
    await studio.play(2.0)
    ann.publish(MICROPHONE)
    await studio.play(3.0)


async def muted_at_the_end(studio: Studio) -> None:
    ann = await studio.guest("ann", CAMERA, MICROPHONE)
    await studio.play(2.0)
    for track in ann.tracks:
        track.set_muted(muted=True)
    await studio.play(3.0)


async def muted_and_back(studio: Studio) -> None:
    await muted_at_the_end(studio)
    for track in studio.guests[0].tracks:
        track.set_muted(muted=False)
    await studio.play(2.0)


async def left(studio: Studio) -> None:
    await studio.guest("ben", MICROPHONE)
    ann = await studio.guest("ann", CAMERA, MICROPHONE)
    await studio.play(2.0)
    studio.leave(ann)
    await studio.play(3.0)


async def left_and_back(studio: Studio) -> None:
    await left(studio)
    await studio.guest("ann", CAMERA, MICROPHONE)
    await studio.play(2.0)


async def still_screen(studio: Studio) -> None:
    ann = await studio.guest("ann", CAMERA, MICROPHONE, Source.SCREEN_SHARE)
    await studio.play(1.0)
    ann.still = True
    await studio.play(3.0)


async def unknown_source(studio: Studio) -> None:
    ann = await studio.guest("ann", CAMERA)
    ann.publish(Source.UNKNOWN, Kind.AUDIO)
    await studio.play(2.0)


async def another_size(studio: Studio) -> None:
    await studio.guest("ann", CAMERA, MICROPHONE)
    await studio.play(2.0)
    studio.guests[0].pattern = type(studio.guests[0].pattern)(256, 144, 10)
    await studio.play(2.0)


async def server_down(studio: Studio) -> None:
    ann = await studio.guest("ann", CAMERA, MICROPHONE)
    await studio.play(2.0)
    studio.guests.remove(ann)
    studio.sfu.refuse_joins(JoinError("lobby", "ws://fake", "down"))
    studio.sfu.drop_connections(EndReason.SERVER_SHUTDOWN)
    await studio.play(2.0)
    studio.sfu.accept_joins()
    await studio.guest("ann", CAMERA, MICROPHONE)
    await studio.play(4.0)


async def nobody(studio: Studio) -> None:
    await studio.play(1.0)


STORIES = [
    plain,
    late_camera,
    late_microphone,
    muted_at_the_end,
    muted_and_back,
    left,
    left_and_back,
    still_screen,
    unknown_source,
    another_size,
    server_down,
    nobody,
]


async def finished(
    studio: Studio,
    story: Callable[[Studio], Awaitable[None]],
    container: ContainerChoice = "auto",
) -> Finished:
    async with studio.recording() as recorder:
        await story(studio)
    return finish(studio.folder.path, recorder.manifest, State.COMPLETE, container)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_whatever_happened_the_recording_passes_its_own_check(
    studio: Studio, story: Callable[[Studio], Awaitable[None]]
) -> None:
    done = await finished(studio, story)

    assert done.problems == []
    assert studio.manifest == done.manifest
    assert done.manifest.state is State.COMPLETE
    assert all(file.checked == "quick" and len(file.sha256) == 64 for file in done.manifest.files)
    assert studio.files() == {Path(file.path).name for file in done.manifest.files}
    verdict = verify(studio.folder.path, "full")
    assert verdict.problems == []


@pytest.mark.parametrize("container", ["auto", "mkv", "mp4"])
async def test_the_parts_of_a_participant_become_one_file(
    studio: Studio, container: ContainerChoice
) -> None:
    done = await finished(studio, late_camera, container)

    name = "ann.mp4" if container == "mp4" else "ann.mkv"
    assert studio.files() == {name}
    (file,) = done.manifest.files
    assert file.container == ("mp4" if container == "mp4" else "matroska")
    assert [track.files for track in done.manifest.tracks] == [[f"participants/{name}"]] * 2
    assert file.duration_s == pytest.approx(5.0, abs=0.11)
    seen = studio.seen(name)
    assert seen.numbers() == list(range(20, 50))
    assert seen.pictures[0].time_s == pytest.approx(2.0, abs=0.002)
    assert seen.sound is not None
    assert seen.sound.beeps() == pytest.approx([1.0, 2.0, 3.0, 4.0], abs=0.005)


async def test_finishing_twice_is_harmless(studio: Studio) -> None:
    first = await finished(studio, late_camera)
    before = first.manifest.model_copy(deep=True)

    again = finish(studio.folder.path, Manifest.load(studio.folder.path), State.COMPLETE)

    assert again.problems == []
    assert again.manifest == before


async def test_no_part_is_removed_if_the_file_it_went_into_fails_its_check(
    studio: Studio,
) -> None:
    async with studio.recording() as recorder:
        await late_camera(studio)
    for track in recorder.manifest.tracks:
        track.start_s += 1.0  # so that nothing is where it should be

    done = finish(studio.folder.path, recorder.manifest, State.COMPLETE)

    assert done.problems
    assert studio.files() == {"ann.mkv", "ann.2.mkv"}
    assert [file.path for file in done.manifest.files] == [
        "participants/ann.mkv",
        "participants/ann.2.mkv",
    ]
    assert studio.seen("ann.2.mkv").numbers() == list(range(20, 50))


async def test_parts_stay_and_are_listed_where_they_cannot_be_joined(studio: Studio) -> None:
    async with studio.recording() as recorder:
        await late_camera(studio)
    with largest_file(30_000):
        done = finish(studio.folder.path, recorder.manifest, State.COMPLETE)

    assert done.problems[0].endswith("ann.mkv.tmp: File too large")
    assert studio.files() == {"ann.mkv", "ann.2.mkv"}
    assert [file.path for file in done.manifest.files] == [
        "participants/ann.mkv",
        "participants/ann.2.mkv",
    ]
    assert studio.seen("ann.2.mkv").numbers() == list(range(20, 50))


async def test_a_file_that_is_gone_is_told_and_the_others_are_finished(studio: Studio) -> None:
    async with studio.recording() as recorder:
        await left(studio)
    (studio.folder.path / "participants" / "ann.mkv").unlink()

    done = finish(studio.folder.path, recorder.manifest, State.COMPLETE)

    assert any("ann.mkv" in problem for problem in done.problems)
    checked = {Path(file.path).name: file.checked for file in done.manifest.files}
    assert checked == {"ann.mkv": None, "ben.mkv": "quick"}


async def test_a_manifest_that_cannot_be_written_is_told(studio: Studio) -> None:
    async with studio.recording() as recorder:
        await plain(studio)
    (studio.folder.path / f"{MANIFEST_NAME}.new").mkdir()

    with pytest.raises(WriteError, match="Is a directory"):
        finish(studio.folder.path, recorder.manifest, State.COMPLETE)


async def test_damage_is_found(studio: Studio) -> None:
    await finished(studio, plain)
    path = studio.folder.path / "participants" / "ann.mkv"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)

    verdict = verify(studio.folder.path, "full")

    assert any("SHA-256 differs" in problem for problem in verdict.problems)


async def test_a_recording_that_runs_is_not_called_finished(studio: Studio) -> None:
    async with studio.recording():
        await plain(studio)
        assert verify(studio.folder.path, "quick").problems[0] == (
            "it is not finished but recording: run roomcast recover"
        )
        await settle()


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("participants/ann.mkv", "participants/ann"),
        ("participants/ann.2.mkv", "participants/ann"),
        ("participants/ann.b.mkv", "participants/ann.b"),
        ("participants/ann.b.12.mkv", "participants/ann.b"),
        ("participants/2.mkv", "participants/2"),
    ],
)
def test_parts_belong_to_their_base(path: str, base: str) -> None:
    assert base_of(path) == base
