import json
import logging

import pytest

from agent.cli.logs import configure_logging

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJrIn0.c2lnbmF0dXJl"


def levels_heard(capsys: pytest.CaptureFixture[str], logger: str, verbose: int) -> list[str]:
    configure_logging(verbose, "json")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger(logger).log(level, "said")
    return [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("verbose", "heard"),
    [
        (0, ["warning", "error"]),
        (1, ["info", "warning", "error"]),
        (2, ["debug", "info", "warning", "error"]),
        (3, ["debug", "info", "warning", "error"]),
    ],
)
def test_more_is_told_to_those_who_want_more(
    verbose: int, heard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert levels_heard(capsys, "agent.session", verbose) == heard


@pytest.mark.parametrize(("verbose", "heard"), [(0, []), (1, ["info", "warning", "error"])])
def test_the_sdk_is_quiet_unless_one_wants_more(
    verbose: int, heard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert levels_heard(capsys, "livekit", verbose) == heard


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_record_is_one_line_without_tokens(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(0, "json" if style == "json" else "text")

    logging.getLogger("agent").warning("%s\nsaid [red]%s", "ann\x1b[2J", TOKEN)

    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "<token>" in said
    assert "eyJ" not in said
    assert "\x1b" not in said
    assert "[red]" in said


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_follows_without_tokens(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(0, "json" if style == "json" else "text")
    error = RuntimeError(TOKEN)

    logging.getLogger("agent").error("failed", exc_info=error)

    said = capsys.readouterr().err
    assert "RuntimeError: <token>" in said
