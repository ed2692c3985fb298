import os
import signal
from pathlib import Path

import pytest

from agent.media import Kind
from tests.agent.cli.stage import Stage
from tests.fake_room import FakeRoom
from tests.media_files import Pictures, Sound, cut_short, write_media
from tests.waiting import soon


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_media(tmp_path / "film.mp4", Pictures(25, 160, 96), Sound(1.0))


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_media(tmp_path / "song.flac", sound=Sound(0.5, codec="flac"))


def test_a_file_is_played_to_its_end(stage: Stage, film: Path) -> None:
    ended = stage.run("play", "demo", film, "--json")

    assert ended.code == 0, ended.stderr
    [shown] = ended.document["published"]
    assert shown["title"] == "film.mp4"
    assert shown["pictures"] + shown["skipped"] >= 25
    assert shown["seconds"] == pytest.approx(1.0, abs=0.1)
    assert stage.present() == []


def test_what_was_played_is_told_as_a_table(stage: Stage, film: Path, song: Path) -> None:
    ended = stage.run("play", "demo", film, song)

    assert ended.code == 0
    assert [name in ended.stdout for name in ("film.mp4", "song.flac")] == [True, True]
    assert "joined 'demo' as play-" in ended.stderr


def test_only_what_a_file_has_is_published(stage: Stage, song: Path) -> None:
    kinds: list[Kind] = []

    async def looks(stage: Stage, _room: FakeRoom) -> None:
        await soon(lambda: stage.rooms[0].tracks, "something is published")
        kinds.extend(track.info.kind for track in stage.rooms[0].tracks)

    stage.guests = {"ann": looks}

    ended = stage.run("play", "demo", song, "--json")

    assert kinds == [Kind.AUDIO]
    assert ended.document["published"][0]["pictures"] == 0


def test_a_loop_goes_on_until_it_is_stopped(stage: Stage, song: Path) -> None:
    ended = stage.run("play", "demo", song, "--loop", "--seconds", 0.9, "--json")

    [shown] = ended.document["published"]
    assert shown["seconds"] > 0.6


def test_several_files_are_looped_as_a_whole(stage: Stage, song: Path) -> None:
    ended = stage.run("play", "demo", song, song, "--loop", "--seconds", 2.6, "--json")

    assert len(ended.document["published"]) >= 3


def test_a_file_can_be_played_from_a_place_on(stage: Stage, film: Path) -> None:
    ended = stage.run("play", "demo", film, "--start", 0.6, "--json")

    [shown] = ended.document["published"]
    assert shown["seconds"] == pytest.approx(0.4, abs=0.1)


def test_ctrl_c_ends_playing_well(stage: Stage, film: Path) -> None:
    async def interrupts(stage: Stage, _room: FakeRoom) -> None:
        await soon(lambda: stage.rooms[0].tracks, "something is published")
        os.kill(os.getpid(), signal.SIGTERM)

    stage.guests = {"ann": interrupts}

    ended = stage.run("play", "demo", film, "--loop", "--json")

    assert ended.code == 0
    assert len(ended.document["published"]) == 1


def test_a_file_that_is_no_media_is_told_before_anyone_joins(
    stage: Stage, song: Path, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear sirs")

    ended = stage.run("play", "demo", song, letter)

    assert ended.code == 2
    assert f"roomcast: can't use {letter}: " in ended.stderr
    assert stage.rooms == []


def test_a_file_that_isn_t_there_is_told(stage: Stage, tmp_path: Path) -> None:
    ended = stage.run("play", "demo", tmp_path / "film.mp4")

    assert ended.code == 2
    assert "there is no such file" in ended.stderr


def test_a_file_that_is_too_short_to_start_there_is_told(stage: Stage, film: Path) -> None:
    ended = stage.run("play", "demo", film, "--start", 60)

    assert ended.code == 2
    assert "can't be played from 60 s on" in ended.stderr


def test_a_file_that_is_cut_off_is_played_as_far_as_it_goes_and_told(
    stage: Stage, tmp_path: Path
) -> None:
    film = write_media(tmp_path / "film.mkv", Pictures(75, 160, 96), Sound(3.0, codec="flac"))
    cut_short(film, 0.4)

    ended = stage.run("play", "demo", film, "--json")

    assert ended.code == 2
    assert (
        f"can't use {film}: it is damaged; what could be decoded of it was played" in ended.stderr
    )
    assert ended.document["published"][0]["pictures"] > 10
