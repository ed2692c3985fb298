import json
from pathlib import Path

import pytest

from agent.dev.sfu_log import last_words

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJkZXZrZXkifQ.DjmD1v6YnzdZvSWHVz_Ufo3H1E75i5iT3L0n8qS9CXg"


def line(level: str, msg: str, **fields: str) -> str:
    return json.dumps({"level": level, "msg": msg, **fields})


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        ([line("info", "one"), line("info", "two")], "two"),
        ([line("warn", "odd", error="it is"), line("info", "after")], "odd: it is"),
        (
            ["listen tcp 127.0.0.1:1: in use", line("info", "after")],
            "listen tcp 127.0.0.1:1: in use",
        ),
        (["panic: it broke", "", "goroutine 1 [running]:", "main.main()"], "panic: it broke"),
        (["[1, 2]"], "[1, 2]"),
    ],
)
def test_the_last_complaint_is_what_counts(tmp_path: Path, lines: list[str], expected: str) -> None:
    log = tmp_path / "sfu.log"
    log.write_text("\n".join(lines))

    assert last_words(log) == expected


def test_what_an_earlier_run_said_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "sfu.log"
    log.write_text(line("error", "long ago") + "\n")
    before = log.stat().st_size
    with log.open("a") as file:
        file.write(line("info", "now"))

    assert last_words(log, since=before) == "now"


def test_no_log_says_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none.log") == ""


def test_tokens_are_taken_out(tmp_path: Path) -> None:
    log = tmp_path / "sfu.log"
    log.write_text(
        line("warn", "error handling request", error=f"invalid token: {TOKEN}, error: x")
    )

    assert last_words(log) == "error handling request: invalid token: <token>, error: x"
