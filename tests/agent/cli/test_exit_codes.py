import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agent.cli.exit_codes import Commands
from agent.errors import (
    AccessError,
    AgentError,
    JoinError,
    MediaFileError,
    RecordingError,
    UsageError,
)

YOURS = UsageError("no such room")
THEIRS = JoinError("demo", "ws://sfu", "the room is full")
LOST = RecordingError(Path("rec"), "no recording")
BUG = ZeroDivisionError("oops")


def end(error: BaseException) -> tuple[int, str]:
    """Return how a command ends that raises ``error``, and what it says."""
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @app.callback()
    def common() -> None:
        pass

    @app.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(app, ["fail"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (YOURS, 2),
        (MediaFileError(Path("a.mp4"), "it is empty"), 2),
        (THEIRS, 3),
        (AccessError("http://tokens", "HTTP 401"), 3),
        (LOST, 4),
    ],
)
def test_a_foreseen_error_is_its_sentence_and_its_exit_code(error: AgentError, code: int) -> None:
    assert end(error) == (code, f"roomcast: {error}\n")


def test_of_several_errors_each_is_told_and_the_worst_counts() -> None:
    group = ExceptionGroup("many", [THEIRS, ExceptionGroup("inner", [LOST, YOURS])])

    code, said = end(group)

    assert code == 4
    assert said.splitlines() == [f"roomcast: {error}" for error in (THEIRS, LOST, YOURS)]


def test_a_bug_is_not_told_as_a_sentence() -> None:
    with pytest.raises(ZeroDivisionError):
        end(BUG)


def test_a_bug_among_foreseen_errors_stays_a_bug() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        end(ExceptionGroup("many", [THEIRS, BUG]))

    assert caught.group_contains(ZeroDivisionError)
    assert not caught.group_contains(JoinError)


def test_no_token_shows_in_an_error() -> None:
    code, said = end(AccessError("http://tokens", "got eyJhbGciOi.eyJpc3Mi.c2ln back"))

    assert code == 3
    assert said == "roomcast: no token from http://tokens: got <token> back\n"


def run_main(body: str) -> "subprocess.CompletedProcess[str]":
    """Run ``main`` in a process of its own, with a command ``fail`` that does ``body``."""
    source = (
        "import sys; from agent.cli import main; from agent.cli.app import app\n"
        "@app.command()\n"
        f"def fail():\n    {body}\n"
        "sys.argv = ['roomcast', 'fail']\n"
        "main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )


def test_a_bug_shows_its_traceback_without_tokens_and_ends_with_1() -> None:
    done = run_main("raise RuntimeError('eyJhbGciOi.eyJpc3Mi.c2ln was refused')")

    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("RuntimeError: <token> was refused\n")


def test_a_foreseen_error_ends_the_process_with_its_code() -> None:
    done = run_main("from agent.errors import ServiceError; raise ServiceError('down')")

    assert (done.returncode, done.stderr) == (3, "roomcast: down\n")


def test_what_was_printed_is_out_when_the_process_ends() -> None:
    done = run_main("print('x' * 100_000)")

    assert (done.returncode, len(done.stdout)) == (0, 100_001)


def test_ctrl_c_where_nothing_can_be_finished_ends_with_130() -> None:
    assert run_main("raise KeyboardInterrupt").returncode == 130


def test_a_reader_that_went_away_is_no_bug() -> None:
    source = "import sys; sys.argv = ['roomcast', 'schema', 'manifest']; from agent.cli import main"
    writer = subprocess.Popen(
        [sys.executable, "-c", f"{source}; main()"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout
    writer.stdout.close()
    assert writer.stderr
    said = writer.stderr.read()
    writer.wait()
    writer.stderr.close()

    assert "Traceback" not in said
