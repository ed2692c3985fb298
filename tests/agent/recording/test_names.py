import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.recording.finishing import base_of
from agent.recording.names import MAX_BYTES, folder_name, safe_name, unique_name

anything = st.text(st.characters(), max_size=300)  # surrogates included
hostile = st.sampled_from(
    ["", ".", "..", "../", "../../etc/passwd", "/", "\\", "\0", "a\nb", "CON", "ann.2", "ann.",
     "ann.2.3", "%2E", "%", "~", "-rf", "a" * 256, "ä" * 256, "🎉" * 64, ".hidden", "\ud800", "?"]
)  # fmt: skip
names = st.one_of(hostile, anything)


@given(names)
@example("%" * 100)
@example("é" * 33 + "a")
def test_a_name_is_one_that_every_file_system_takes(text: str) -> None:
    name = safe_name(text)

    assert re.fullmatch(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+", name)
    assert 0 < len(name.encode()) <= MAX_BYTES
    assert not name.startswith(".")
    assert Path(name).name == name


@given(names, st.integers(2, 99))
def test_no_name_is_taken_for_a_further_part_of_another(text: str, number: int) -> None:
    name = safe_name(text)

    assert base_of(f"participants/{name}.mkv") == f"participants/{name}"
    assert base_of(f"participants/{name}.{number}.mkv") == f"participants/{name}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ann", "ann"),
        ("Ann_B.-2", "Ann_B.-2"),
        ("ann b", "ann%20b"),
        ("ä", "%C3%A4"),
        ("../x", "%2E.%2Fx"),
        ("..", "%2E%2E"),
        ("", "%00"),
        ("ann.2", "ann%2E2"),
        ("ann.", "ann%2E"),
        ("50%", "50%25"),
    ],
)
def test_what_a_name_looks_like(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_long_name_is_cut_between_characters_and_told_apart_by_its_hash() -> None:
    one, other = safe_name("ä" * 256), safe_name("ä" * 255)

    assert re.fullmatch(r"(?:%C3%A4)*(?:%C3)?~[0-9a-f]{16}", one)
    assert one != other


def test_a_name_of_the_largest_size_is_left_as_it_is() -> None:
    assert safe_name("a" * MAX_BYTES) == "a" * MAX_BYTES


@given(st.lists(names, max_size=12))
@example(["Ann", "ann", "ANN", "aNN"])
@example(["A--SCREEN", "a--screen", "a--screen", "a--screen"])
@example(["\ud800", "\ud801", "\ud802", "?"])
@example(["a" * 300] * 3)
def test_names_differ_whatever_their_case(texts: list[str]) -> None:
    taken: list[str] = []
    for text in texts:
        taken.append(unique_name(text, taken))

    assert len({name.casefold() for name in taken}) == len(texts)
    for name in taken:
        assert re.fullmatch(r"[A-Za-z0-9_.~%-]{1,100}", name)
        assert not name.startswith(".")


def test_a_name_nobody_has_is_the_plain_one() -> None:
    assert unique_name("ann", ["ben", "anna"]) == "ann"


@given(names)
def test_a_folders_name_has_room_to_spare_and_no_way_out(room: str) -> None:
    name = folder_name(room, datetime(2026, 11, 23, 10, 15, 2, tzinfo=UTC), "a1b2c3")

    assert name.endswith("--2026-11-23T10-15-02Z--a1b2c3")
    assert len(name.encode()) <= 255
    assert Path(name).name == name
    assert not name.startswith(".")


def test_a_folders_name_tells_the_time_in_utc() -> None:
    moment = datetime(2026, 11, 23, 11, 15, 2, tzinfo=timezone(timedelta(hours=1)))

    assert folder_name("lobby", moment, "a1b2c3") == "lobby--2026-11-23T10-15-02Z--a1b2c3"
