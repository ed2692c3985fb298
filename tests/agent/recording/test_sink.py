import errno
import os
from pathlib import Path

import pytest

from agent.errors import WriteError
from agent.recording.sink import FileSink, digest, write_error
from tests.agent.recording.probes import largest_file
from tests.doubles import ManualClock


async def test_what_is_written_is_there(tmp_path: Path, clock: ManualClock) -> None:
    sink = FileSink(tmp_path / "a", clock=clock.now)

    sink.write(b"hello")
    await clock.advance(6)  # time to sync
    sink.write(b" world")
    sink.seek(0)
    sink.write(b"H")
    assert sink.tell() == 1
    sink.close()
    sink.close()

    assert (tmp_path / "a").read_bytes() == b"Hello world"
    assert sink.error is None


def test_after_a_failure_the_file_is_left_as_it_is(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "a")
    sink.write(b"good")

    with largest_file(6):
        assert sink.write(b"too long") == 8
    sink.seek(0)
    assert sink.write(b"trailer") == 7
    sink.close()

    assert (tmp_path / "a").read_bytes() == b"goodto"
    assert sink.error is not None
    assert sink.error.disk_full


def test_what_comes_after_the_end_is_thrown_away(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "a")
    sink.close()

    assert sink.write(b"late") == 4
    assert sink.seek(3) == 3
    assert (tmp_path / "a").read_bytes() == b""


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"can't write .*/none/a: No such file or directory"):
        FileSink(tmp_path / "none" / "a")


@pytest.mark.parametrize(
    ("code", "full"),
    [
        (errno.ENOSPC, True),
        (errno.EDQUOT, True),
        (errno.EFBIG, True),
        (errno.EIO, False),
        (errno.EROFS, False),
    ],
)
def test_lack_of_room_is_told_from_other_failures(code: int, full: bool) -> None:
    error = write_error(Path("a.mkv"), OSError(code, os.strerror(code)))

    assert error.disk_full is full
    assert str(error) == f"can't write a.mkv: {os.strerror(code)}"


def test_the_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")

    # FIPS 180-2, appendix B.1
    assert digest(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")
