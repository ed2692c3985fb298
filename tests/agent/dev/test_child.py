import signal
from pathlib import Path

import pytest

from agent.dev.child import Child, ProgramError
from tests.agent.dev.programs import program
from tests.waiting import until


def test_its_output_goes_to_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")

    with Child([str(program(tmp_path / "says", "echo out", "echo err >&2"))], log) as child:
        assert child.wait(5) == 0

    assert log.read_text() == "before\nout\nerr\n"


def test_its_exit_status_is_passed_on(tmp_path: Path) -> None:
    with Child([str(program(tmp_path / "fails", "exit 7"))], tmp_path / "log") as child:
        assert child.wait(5) == 7


def test_a_signal_is_passed_on(tmp_path: Path) -> None:
    with Child(["sleep", "60"], tmp_path / "log") as child:
        assert child.wait(0) is None
        child.send_signal(signal.SIGTERM)

        assert child.wait(5) == 128 + signal.SIGTERM


def test_a_signal_to_one_that_has_ended_does_nothing(tmp_path: Path) -> None:
    with Child(["true"], tmp_path / "log") as child:
        assert child.wait(5) == 0
        child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGTERM)


def test_the_end_of_the_block_kills_it_and_what_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    nested = program(tmp_path / "nested", "trap '' TERM", "sleep 60 &", "echo $!", "wait")

    with Child([str(nested)], log) as child:
        until(lambda: log.read_text().endswith("\n"), "it has said the pid of its child")
    pids = (child.pid, int(log.read_text()))

    until(lambda: not any(map(_runs, pids)), "both are gone")


@pytest.mark.parametrize("content", [None, b"\x7fELF of no machine"])
def test_what_is_no_program_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "server"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o700)
    reason = "No such file or directory" if content is None else "Exec format error"

    with pytest.raises(ProgramError) as error:
        Child([str(path)], tmp_path / "log")

    assert str(error.value) == f"can't run {path}: {reason}"


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
