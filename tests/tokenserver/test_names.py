import pytest

from tokenserver.names import is_display_name, is_reserved, is_sound


@pytest.mark.parametrize("name", ["ann", "Ann:7_x.y-z", "Jürgen", "🙂", "x" * 256])
def test_a_name_without_separators_is_sound(name: str) -> None:
    assert is_sound(name)


@pytest.mark.parametrize(
    "name", ["", "a#b", "a/b", "a b", "a\tb", "a\n", "\x00", "\x7f", "\x9b", "x" * 257, "é" * 129]
)
def test_a_name_with_a_separator_or_beyond_the_limit_is_not(name: str) -> None:
    assert not is_sound(name)


@pytest.mark.parametrize("name", ["", "Ann Ångström", "Ann/Bob #1"])
def test_a_display_name_may_be_any_line_of_text(name: str) -> None:
    assert is_display_name(name)


@pytest.mark.parametrize("name", ["bot", "BOT", "Recorder", "rec-", "Rec-1", "bot-1", "agent-AJ_1"])
def test_names_of_bots_are_reserved_in_any_case(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["rec", "record", "bottom", "robot", "agentur", "x-rec-1"])
def test_names_that_only_resemble_them_are_not(name: str) -> None:
    assert not is_reserved(name)
