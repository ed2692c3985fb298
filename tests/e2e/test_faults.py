"""What goes wrong while a room is recorded, and what is left of the recording then."""

import asyncio
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import pytest

from agent.dev.sfu import Sfu
from agent.errors import JoinError
from agent.recording.folder import recordings_in
from agent.recording.manifest import GapReason, Manifest, State, Stop
from agent.recording.recovery import Rescue, recover, verify
from agent.room import Source
from tests.e2e.guest import GuestKey, guest
from tests.e2e.outages import Outage, suffer_all
from tests.e2e.recorded import Recorded
from tests.e2e.take import Take
from tests.perceive import perceive
from tests.roomcast_process import ENDS_WITHIN_S, roomcast, run
from tests.waiting import soon

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

DELAY_CHANGE_S = 0.3
"""See test_recording: what is lost or moved by an outage is seconds long."""

MADE_UP_S = 0.5
"""For so long a decoder that gets nothing more makes up sound, fading."""

LONGEST_LOSS_S = 2.0
BOTH = (Source.CAMERA, Source.MICROPHONE)
OUTAGES = (
    "recorder reconnects",
    "publisher reconnects",
    "sfu crashes",
    "sfu and token server restart",
)


@pytest.fixture(scope="module")
def outages(
    sfu: Sfu, sfu_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outage]:
    return asyncio.run(suffer_all(sfu, sfu_binary, tmp_path_factory.mktemp("outages")))


@pytest.fixture(params=OUTAGES)
def outage(request: pytest.FixtureRequest, outages: dict[str, Outage]) -> Outage:
    return outages[request.param]


def test_a_recording_goes_on_in_its_file_after_an_outage(outage: Outage) -> None:
    recorded = outage.recorded

    assert recorded.manifest.state is State.COMPLETE
    assert [entry.path for entry in recorded.manifest.files] == ["participants/ann.mkv"]
    assert verify(recorded.folder, "full").problems == []
    for source in BOTH:
        assert recorded.track("ann", source).files == ["participants/ann.mkv"]


def test_an_outage_is_one_gap_in_each_track(outage: Outage) -> None:
    for source in BOTH:
        track = outage.recorded.track("ann", source)
        [gap] = track.gaps
        late_s = gap.start_s + outage.recorded.zero - outage.began
        assert -0.2 <= late_s <= MADE_UP_S
        assert gap.end_s + outage.recorded.zero > outage.began
        assert len(track.segments) == 2


@pytest.mark.parametrize("which", ["recorder reconnects", "sfu crashes", OUTAGES[-1]])
def test_a_gap_says_that_the_connection_was_lost(outages: dict[str, Outage], which: str) -> None:
    for source in BOTH:
        [gap] = outages[which].recorded.track("ann", source).gaps
        assert gap.reason is GapReason.RECONNECTING


def test_an_outage_is_black_and_silent(outage: Outage) -> None:
    seen = outage.recorded.seen("ann")
    for source, is_quiet in ((Source.CAMERA, _is_black), (Source.MICROPHONE, _is_silent)):
        [gap] = outage.recorded.track("ann", source).gaps
        start, end = (outage.recorded.zero + it for it in (gap.start_s, gap.end_s))
        assert is_quiet(outage, start + 0.3, end - 0.02)
    assert seen.file.source_ids()


def test_after_an_outage_everything_is_at_its_own_time_again(outage: Outage) -> None:
    seen, ann = outage.recorded.seen("ann"), outage.ann
    delays = seen.delays(ann.sent)
    before = [delay for number, delay in delays.items() if ann.sent[number] < outage.began]
    after = [delay for number, delay in delays.items() if ann.sent[number] > outage.over]

    assert min(len(before), len(after)) >= 10
    assert median(after) == pytest.approx(median(before), abs=DELAY_CHANGE_S)
    assert ann.epoch is not None
    late = {at: (at - ann.epoch + 0.5) % 1 - 0.5 for at in seen.beeps}
    before = [it for at, it in late.items() if at < outage.began]
    after = [it for at, it in late.items() if at > outage.over]
    assert median(after) == pytest.approx(median(before), abs=DELAY_CHANGE_S)


def test_a_token_server_that_is_away_is_asked_again(outages: dict[str, Outage]) -> None:
    assert outages["sfu and token server restart"].refusals >= 2


@dataclass
class Killed:
    """A recorder that was killed.

    Attributes:
        meanwhile: What became of an attempt to rescue it while it still lived.
        as_it_lay: What could be played as the crash left it.
        lost_s: Seconds between its end and the kill.
        recovered: After the rescue.
        codes: Those with which ``recover`` and ``verify`` ended.
    """

    meanwhile: list[Rescue]
    lost_s: float
    recovered: Recorded
    codes: tuple[int, int]


@pytest.fixture(scope="module")
def killed(sfu: Sfu, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return asyncio.run(_kill(sfu, tmp_path_factory.mktemp("killed")))


async def _kill(sfu: Sfu, place: Path) -> Killed:
    async with guest(sfu, "killed") as ann:
        await ann.publish()
        with roomcast(sfu, "record", "killed", "-o", place, log=place / "log") as recorder:
            await soon(lambda: _tracks_in(place) == 2, "both tracks are recorded")
            await asyncio.sleep(2.3)
            meanwhile = list(recover(place))
            await asyncio.sleep(1.0)
            recorder.kill()
            killed_at = time.monotonic()
            await asyncio.to_thread(recorder.wait)
    [folder] = recordings_in(place)
    as_it_lies = Recorded(folder)
    [part] = (folder / "participants").glob("*.mkv")
    seen = perceive(part)
    assert seen.sound is not None
    starts_at = as_it_lies.zero + as_it_lies.manifest.files[0].start_s
    ends_at = starts_at + min(seen.pictures[-1].time_s, seen.sound.end_s)
    recovering = await asyncio.to_thread(run, sfu, ("recover", place), place / "log")
    verifying = await asyncio.to_thread(run, sfu, ("verify", folder), place / "log")
    return Killed(meanwhile, killed_at - ends_at, Recorded(folder), (recovering[0], verifying[0]))


def test_a_killed_recorder_loses_two_seconds_at_most(killed: Killed) -> None:
    assert -0.1 <= killed.lost_s <= LONGEST_LOSS_S


def test_what_a_killed_recorder_left_is_recovered_and_passes_its_check(killed: Killed) -> None:
    assert killed.codes == (0, 0)
    manifest = killed.recovered.manifest
    assert (manifest.state, manifest.end_reason) == (State.RECOVERED, Stop.RECORDER_DOWN)
    skew = killed.recovered.seen("ann").file.skew()
    assert skew is not None
    assert abs(skew.median_ms) <= 40


def test_a_recording_that_is_still_written_is_left_alone_by_a_rescue(killed: Killed) -> None:
    [rescue] = killed.meanwhile

    assert not rescue.recovered
    assert rescue.owner.startswith("process ")


class SmallDisk:
    """A folder in which a recorder runs out of room.

    A file system of its own where we may mount one; elsewhere the recorder's files may not grow
    beyond a limit, which ends in the same way.
    """

    SIZE_KB = 2048
    LEFT_BYTES = 500_000

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        mount = ("mount", "-t", "tmpfs", "-o", f"size={self.SIZE_KB}k", "tmpfs", path)
        may_mount = os.geteuid() == 0
        self.mounted = may_mount and subprocess.run(mount, check=False).returncode == 0
        if self.mounted:
            self._ballast = path / "ballast"
            self._ballast.write_bytes(bytes(self.SIZE_KB * 1024 - self.LEFT_BYTES))

    def limit(self, pid: int) -> None:
        """Let the process with that number feel it."""
        if not self.mounted:
            most = self.LEFT_BYTES // 2
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))

    def free(self) -> None:
        """Make room."""
        if self.mounted:
            self._ballast.unlink()

    def unmount(self) -> None:
        if self.mounted:
            subprocess.run(("umount", "--lazy", self.path), check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.unmount()


def test_a_full_disk_ends_the_recording_and_nothing_written_is_lost(
    sfu: Sfu, small_disk: SmallDisk, tmp_path: Path, room_name: str
) -> None:
    async def record() -> int:
        async with guest(sfu, room_name) as ann:
            await ann.publish()
            command = ("record", room_name, "-o", small_disk.path, "--json")
            with roomcast(sfu, *command, log=tmp_path / "log") as recorder:
                small_disk.limit(recorder.pid)
                await asyncio.to_thread(recorder.communicate, timeout=ENDS_WITHIN_S)
                return recorder.returncode

    code = asyncio.run(record())
    [folder] = recordings_in(small_disk.path)
    stopped = Manifest.load(folder)
    said = (tmp_path / "log").read_text()

    assert code == 4
    assert stopped.end_reason is Stop.DISK_FULL
    assert "No space left on device" in said or "File too large" in said

    small_disk.free()
    code, printed = run(sfu, ("recover", small_disk.path, "--json"), tmp_path / "recover.log")
    assert code == 0, printed
    recorded = Recorded(folder)
    assert verify(folder, "full").problems == []
    seen = recorded.seen("ann")
    assert seen.file.share_of_numbers() >= 0.99
    lost_s = stopped.duration_s - recorded.entries("ann")[0].duration_s
    assert lost_s <= LONGEST_LOSS_S


@pytest.mark.may_leak("the SDK keeps the connection over which it asked what is wrong")
def test_an_expired_token_is_refused_in_a_sentence(
    sfu: Sfu, room_name: str, tmp_path: Path
) -> None:
    def expired(identity: str) -> GuestKey:
        key = (sfu.url, room_name, identity, sfu.api_key, sfu.api_secret)
        return GuestKey(*key, ttl=timedelta(minutes=-5))

    async def record() -> None:
        await Take().run(expired, room_name, tmp_path)

    with pytest.raises(JoinError) as raised:
        asyncio.run(record())

    assert raised.value.exit_code == 3
    assert "token is expired" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def _is_black(outage: Outage, start: float, end: float) -> bool:
    return outage.recorded.seen("ann").lit(start, end) == []


def _is_silent(outage: Outage, start: float, end: float) -> bool:
    return outage.recorded.seen("ann").heard(start, end) < 0.011


def _tracks_in(place: Path) -> int:
    return sum(len(Manifest.load(folder).tracks) for folder in recordings_in(place))
