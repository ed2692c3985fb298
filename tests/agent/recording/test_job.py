import asyncio
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.clock import LoopClock
from agent.identity import AccessSource
from agent.recording.folder import Owned, Ownership
from agent.recording.job import RecordingResult, record_room, rescue_in_background
from agent.recording.ledger import utc_now
from agent.recording.manifest import Manifest, RoomEntry, State, Stop
from agent.recording.recorder import Progress, RecordingOptions
from agent.recording.recovery import Rescue
from agent.room import Access, AudioOptions, Room
from agent.tracks.publication import Playback
from agent.tracks.tone import Tone
from tests.fake_room import FakeRoom, FakeSfu, Grant
from tests.waiting import soon


@dataclass(frozen=True)
class Tokens:
    sfu: FakeSfu
    identity: str

    async def access(self) -> Access:
        return self.sfu.access(Grant(self.identity))


@dataclass
class Diary:
    """Writes down what it is told.

    Attributes:
        spoil: Whether to cut the files short once they are written.
        wants_to_stop: Whether to set ``stop`` once something is recorded.
    """

    spoil: bool = False
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    wants_to_stop: bool = False
    folder: Path = Path()
    entries: list[str] = field(default_factory=list)
    seen: list[Progress] = field(default_factory=list)

    def started(self, folder: Path) -> None:
        self.folder = folder
        self.entries.append("started")

    def progressed(self, progress: Progress) -> None:
        self.seen.append(progress)
        if self.wants_to_stop and progress.tracks:
            self.stop.set()

    def finishing(self) -> None:
        self.entries.append("finishing")
        with pytest.raises(Owned):
            Ownership(self.folder)
        if self.spoil:
            for file in (self.folder / "participants").iterdir():
                os.truncate(file, file.stat().st_size // 2)

    def rescued(self, rescue: Rescue) -> None:
        self.entries.append(f"rescued {rescue.folder.name}")


async def record(sfu: FakeSfu, out: Path, diary: Diary) -> RecordingResult:
    """Record a room in which ann plays a tone, for half a second."""

    def new_room() -> Room:
        return FakeRoom(sfu, "demo")

    def accesses(identity: str) -> AccessSource:
        return Tokens(sfu, identity)

    ann = FakeRoom(sfu, "demo")
    await ann.connect(await Tokens(sfu, "ann").access(), timeout_s=5)
    playback = Playback(sfu.clock, audio=(Tone(), await ann.publish_audio(AudioOptions())))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(playback.run(sfu.clock.now()))
        try:
            return await record_room(
                new_room,
                accesses,
                "demo",
                out,
                RecordingOptions(seconds=0.5),
                stop=diary.stop,
                watcher=diary,
            )
        finally:
            playback.stop()


@pytest.fixture
def sfu() -> FakeSfu:
    return FakeSfu(LoopClock())


async def test_a_recording_goes_from_its_folder_to_its_check(sfu: FakeSfu, tmp_path: Path) -> None:
    diary = Diary()

    result = await record(sfu, tmp_path, diary)

    assert diary.entries == ["started", "finishing"]
    assert diary.folder == result.folder
    assert [result.stop, result.problems, result.exit_code] == [Stop.LIMIT, [], 0]
    assert result.manifest.state is State.COMPLETE
    assert Manifest.load(result.folder) == result.manifest


async def test_how_far_it_is_can_be_watched(sfu: FakeSfu, tmp_path: Path) -> None:
    diary = Diary()

    await record(sfu, tmp_path, diary)

    assert len(diary.seen) >= 2
    assert [progress.seconds for progress in diary.seen] == sorted(it.seconds for it in diary.seen)


async def test_nobody_owns_a_finished_recording(sfu: FakeSfu, tmp_path: Path) -> None:
    result = await record(sfu, tmp_path, Diary())

    Ownership(result.folder).release()


async def test_the_wish_to_stop_ends_it_well(sfu: FakeSfu, tmp_path: Path) -> None:
    result = await record(sfu, tmp_path, Diary(wants_to_stop=True))

    assert (result.stop, result.manifest.state) == (Stop.STOPPED, State.COMPLETE)


async def test_files_that_don_t_pass_their_check_are_a_failure(
    sfu: FakeSfu, tmp_path: Path
) -> None:
    result = await record(sfu, tmp_path, Diary(spoil=True))

    assert result.problems
    assert result.exit_code == 4
    assert Manifest.load(result.folder).state is State.FAILED


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (Stop.STOPPED, 0),
        (Stop.LIMIT, 0),
        (Stop.ROOM_EMPTY, 0),
        (Stop.REMOVED, 3),
        (Stop.DUPLICATE_IDENTITY, 3),
        (Stop.CONNECTION_LOST, 3),
    ],
)
def test_why_it_ended_is_its_exit_code(stop: Stop, code: int, tmp_path: Path) -> None:
    manifest = Manifest(
        id="1", room=RoomEntry(name="demo"), state=State.COMPLETE, started_at=utc_now()
    )

    assert RecordingResult(tmp_path, manifest, stop).exit_code == code
    assert RecordingResult(tmp_path, manifest, stop, ["the disk is full"]).exit_code == 4


async def test_what_can_t_be_looked_through_is_logged_and_harms_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rescue_in_background(tmp_path / "gone", Diary().rescued)
        await soon(lambda: caplog.text, "it is logged")

    assert "is not finished" in caplog.text
