import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.errors import UsageError, WriteError
from agent.recording.folder import (
    OWNER_NAME,
    STALE_S,
    Owned,
    Ownership,
    RecordingFolder,
    recordings_in,
)
from agent.recording.manifest import MANIFEST_NAME

MOMENT = datetime(2026, 11, 23, 10, 15, 2, tzinfo=UTC)

HOLD = """
import sys
from pathlib import Path
from agent.recording.folder import Ownership
held = Ownership(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process own ``folder``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def beat_of(folder: Path, host: str, age_s: float) -> None:
    """Leave the heartbeat of another host's owner, which went by so long ago."""
    owner = {"host": host, "pid": 4711, "beat": time.time() - age_s}
    (folder / OWNER_NAME).write_text(json.dumps(owner))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# The folder


def test_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = RecordingFolder.create(tmp_path / "out", "lobby", MOMENT)
        with folder.open_events() as events:
            events.write("{}\n")
    finally:
        os.umask(before)

    assert mode(folder.path) == mode(folder.path / "participants") == 0o700
    assert mode(folder.path / "events.jsonl") == mode(folder.path / OWNER_NAME) == 0o600
    folder.ownership.release()


def test_a_folder_is_called_after_room_and_time(tmp_path: Path) -> None:
    folder = RecordingFolder.create(tmp_path, "../lobby", MOMENT)

    assert folder.path.parent == tmp_path
    assert folder.path.name.startswith("%2E.%2Flobby--2026-11-23T10-15-02Z--")
    assert folder.id == f"20261123101502-{folder.path.name[-6:]}"
    folder.ownership.release()


def test_two_recorders_of_one_room_never_share_a_folder(tmp_path: Path) -> None:
    one = RecordingFolder.create(tmp_path, "lobby", MOMENT)
    other = RecordingFolder.create(tmp_path, "lobby", MOMENT)

    assert one.path != other.path
    assert one.id != other.id
    one.ownership.release()
    other.ownership.release()


@pytest.mark.parametrize(
    ("out", "why"), [("taken", "File exists"), ("taken/deeper", "Not a directory")]
)
def test_a_place_that_is_no_folder_is_the_callers_to_mend(
    tmp_path: Path, out: str, why: str
) -> None:
    (tmp_path / "taken").touch()

    with pytest.raises(UsageError) as raised:
        RecordingFolder.create(tmp_path / out, "lobby", MOMENT)

    sentence = f"can't write recordings to {tmp_path / out}: {why}; choose another with -o"
    assert str(raised.value) == sentence


def test_a_place_that_cannot_be_written_is_the_callers_to_mend() -> None:
    with pytest.raises(UsageError, match=r"can't write recordings to /proc/.*choose another"):
        RecordingFolder.create(Path("/proc/recordings"), "lobby", MOMENT)


def test_events_are_written_line_by_line_and_never_over_each_other(tmp_path: Path) -> None:
    folder = RecordingFolder.create(tmp_path, "lobby", MOMENT)
    with folder.open_events() as events:
        events.write("one\n")
        assert (folder.path / "events.jsonl").read_text() == "one\n"
    with folder.open_events() as events:
        events.write("zwölf\n")

    assert (folder.path / "events.jsonl").read_text(encoding="utf-8") == "one\nzwölf\n"
    folder.ownership.release()


def test_events_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    folder = RecordingFolder.create(tmp_path, "lobby", MOMENT)
    (folder.path / "events.jsonl").mkdir()

    with pytest.raises(WriteError, match=r"events\.jsonl: Is a directory"):
        folder.open_events()
    folder.ownership.release()


# Its owner


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    owner = Ownership(tmp_path)

    with pytest.raises(Owned) as raised:
        Ownership(tmp_path)

    expected = f"{tmp_path} is being written by process {os.getpid()} on {socket.gethostname()}"
    assert str(raised.value) == expected
    owner.release()


def test_an_owner_that_has_gone_leaves_no_trace(tmp_path: Path) -> None:
    owner = Ownership(tmp_path)
    owner.release()
    owner.release()

    assert list(tmp_path.iterdir()) == []
    Ownership(tmp_path).release()


def test_another_process_is_an_owner_until_it_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(Owned, match=f"process {process.pid} "):
            Ownership(tmp_path)
        process.kill()
        process.wait()

        Ownership(tmp_path).release()


def test_asking_does_not_disturb_the_owner(tmp_path: Path) -> None:
    owner = Ownership(tmp_path)
    before = (tmp_path / OWNER_NAME).read_text()
    for _ in range(3):
        with pytest.raises(Owned):
            Ownership(tmp_path)

    assert (tmp_path / OWNER_NAME).read_text() == before
    owner.release()


def test_an_owner_on_another_host_lives_while_its_heart_beats(tmp_path: Path) -> None:
    beat_of(tmp_path, "elsewhere", STALE_S / 2)

    with pytest.raises(Owned, match="process 4711 on elsewhere"):
        Ownership(tmp_path)

    assert json.loads((tmp_path / OWNER_NAME).read_text())["host"] == "elsewhere"


def test_an_owner_on_another_host_that_has_stopped_is_dead(tmp_path: Path) -> None:
    beat_of(tmp_path, "elsewhere", STALE_S + 1)

    Ownership(tmp_path).release()


def test_an_owner_on_this_host_that_holds_no_lock_is_dead(tmp_path: Path) -> None:
    beat_of(tmp_path, socket.gethostname(), 0)

    Ownership(tmp_path).release()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "x", "beat": "now"}', "\xff"])
def test_a_torn_note_of_an_owner_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / OWNER_NAME).write_bytes(content.encode("latin-1"))

    Ownership(tmp_path).release()


def test_a_heartbeat_tells_host_process_and_time(tmp_path: Path) -> None:
    beat_of(tmp_path, "elsewhere-with-a-very-long-name.example", STALE_S + 1)
    owner = Ownership(tmp_path)
    owner.beat()

    said = json.loads((tmp_path / OWNER_NAME).read_text())
    assert (said["host"], said["pid"]) == (socket.gethostname(), os.getpid())
    assert abs(said["beat"] - time.time()) < 5
    owner.release()


def test_a_heartbeat_never_changes_its_size_so_that_a_full_disk_takes_it(tmp_path: Path) -> None:
    owner = Ownership(tmp_path)
    size = (tmp_path / OWNER_NAME).stat().st_size
    sizes = set()
    for _ in range(5):
        owner.beat()
        sizes.add((tmp_path / OWNER_NAME).stat().st_size)

    assert sizes == {size}
    owner.release()


def test_an_owner_whose_note_somebody_removed_does_not_remove_its_successors(
    tmp_path: Path,
) -> None:
    owner = Ownership(tmp_path)
    (tmp_path / OWNER_NAME).unlink()
    successor = Ownership(tmp_path)

    owner.release()

    with pytest.raises(Owned):
        Ownership(tmp_path)
    successor.release()


# Finding recordings


def test_recordings_are_found_below_a_place_or_at_it(tmp_path: Path) -> None:
    for name in ("b", "a", "no-recording"):
        (tmp_path / name).mkdir()
    for name in ("b", "a"):
        (tmp_path / name / MANIFEST_NAME).touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert list(recordings_in(tmp_path)) == [tmp_path / "a", tmp_path / "b"]
    assert list(recordings_in(tmp_path / "a")) == [tmp_path / "a"]
    assert list(recordings_in(tmp_path / "no-recording")) == []
