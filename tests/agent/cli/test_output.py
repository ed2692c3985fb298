import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.output import clock_time, readable, show_json, size


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5_000_000_000_000, "5.0 TB"),
    ],
)
def test_a_size_is_told_with_two_or_three_digits(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00"), (61.9, "01:01"), (3599, "59:59"), (3661, "1:01:01")]
)
def test_a_duration_is_told_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë 🎥", "Zoë 🎥"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\r\\nb"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_take_over_a_terminal_is_spelled_out(name: str, shown: str) -> None:
    assert readable(name) == shown


@given(st.text())
def test_whatever_a_stranger_chose_is_one_line_that_can_be_printed(name: str) -> None:
    shown = readable(name)

    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1


def test_a_document_keeps_the_letters_of_names(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"identity": "Zoë"})

    assert capsys.readouterr().out == '{\n "identity": "Zoë"\n}\n'
