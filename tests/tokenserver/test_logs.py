import json
import logging

import pytest

from tokenserver.logs import LineFormatter, LogFormat, NoExceptionText, facts


def record(message: str = "token granted", **values: str | float | None) -> logging.LogRecord:
    made = logging.LogRecord("tokenserver.audit", logging.INFO, "", 0, message, (), None)
    made.__dict__.update(facts(**values))
    made.created = 0.0
    return made


def test_a_program_reads_a_line_as_json() -> None:
    line = LineFormatter(LogFormat.JSON).format(record(room="lobby", ttl_s=600, caller=None))

    assert json.loads(line) == {
        "at": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "logger": "tokenserver.audit",
        "event": "token granted",
        "room": "lobby",
        "ttl_s": 600,
        "caller": None,
    }


def test_a_person_reads_a_line_as_text() -> None:
    line = LineFormatter(LogFormat.TEXT).format(record(room="lobby", ttl_s=600))

    assert line == '1970-01-01T00:00:00.000+00:00 info token granted room="lobby" ttl_s=600'


@pytest.mark.parametrize("style", LogFormat)
def test_no_field_can_start_a_line_of_its_own(style: LogFormat) -> None:
    line = LineFormatter(style).format(record("a\nb", room='x"\n\r\x1b\u2028forged'))

    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


def failed(text: str) -> logging.LogRecord:
    error = ValueError(text)
    made = record("Error handling request from %s")
    made.exc_info = (type(error), error, error.__traceback__)
    return made


def test_a_traceback_is_a_field_for_a_program() -> None:
    line = json.loads(LineFormatter(LogFormat.JSON).format(failed("boom")))

    assert "ValueError: boom" in line["traceback"]


def test_a_traceback_follows_the_line_for_a_person() -> None:
    text = LineFormatter(LogFormat.TEXT).format(failed("boom"))

    assert text.splitlines()[-1] == "ValueError: boom"


def test_of_an_exception_that_quotes_a_header_only_the_type_is_left() -> None:
    made = failed("Authorization: Bearer canary")

    assert NoExceptionText().filter(made)
    assert "canary" not in LineFormatter(LogFormat.JSON).format(made)
    assert made.getMessage() == "bad HTTP: ValueError"
