import pytest

from agent.errors import JoinError
from agent.room import EndReason
from tests.agent.cli.stage import Stage
from tests.fake_room import FakeRoom
from tests.waiting import soon


def test_pictures_and_sound_are_published_for_so_long(stage: Stage) -> None:
    ended = stage.run("publish", "demo", "--seconds", 1, "--json")

    assert ended.code == 0, ended.stderr
    [shown] = ended.document["published"]
    assert shown["title"] == "bars:1280x720@30 and beep:440"
    assert shown["pictures"] > 15
    assert shown["blocks"] > 35
    assert ended.document["identity"].startswith("publish-")


@pytest.mark.parametrize(
    ("arguments", "pictures", "sound"),
    [(("--video", "bars:160x96@10"), True, False), (("--audio", "tone:220"), False, True)],
)
def test_only_what_was_asked_for_is_published(
    arguments: tuple[str, str], pictures: bool, sound: bool, stage: Stage
) -> None:
    ended = stage.run("publish", "demo", "--seconds", 0.5, "--json", *arguments)

    [shown] = ended.document["published"]
    assert (shown["pictures"] > 0, shown["blocks"] > 0) == (pictures, sound)


def test_the_publisher_is_called_as_one_wishes(stage: Stage) -> None:
    ended = stage.run("publish", "demo", "--seconds", 0.1, "--identity", "eve", "--json")

    assert stage.joined == ["eve"]
    assert stage.recorders == []
    assert ended.document["identity"] == "eve"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--video", "snow"), "no such picture: 'snow'"),
        (("--video", "bars:7x7"), "can't draw 'bars:7x7'"),
        (("--audio", "noise"), "no such sound: 'noise'"),
    ],
)
def test_what_can_t_be_drawn_or_played_is_told_before_anyone_joins(
    arguments: tuple[str, str], said: str, stage: Stage
) -> None:
    ended = stage.run("publish", "demo", *arguments)

    assert ended.code == 2
    assert said in ended.stderr
    assert stage.rooms == []


def test_a_room_that_lets_nobody_in_is_told(stage: Stage) -> None:
    stage.sfu.refuse_joins(JoinError("demo", "ws://fake", "the room is full"))

    ended = stage.run("publish", "demo")

    assert ended.code == 3
    assert ended.stderr.endswith("can't join room 'demo' at ws://fake: the room is full\n")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (EndReason.REMOVED, "we were removed from the room"),
        (EndReason.DUPLICATE_IDENTITY, "somebody else joined under our identity"),
    ],
)
def test_a_publisher_that_was_put_out_tells_it(reason: EndReason, said: str, stage: Stage) -> None:
    async def puts_it_out(stage: Stage, _room: FakeRoom) -> None:
        await soon(lambda: stage.rooms[0].tracks, "something is published")
        stage.sfu.end(stage.rooms[0], reason)

    stage.guests = {"ann": puts_it_out}

    ended = stage.run("publish", "demo")

    assert ended.code == 3
    assert f"roomcast: {said}, so nothing more is played\n" in ended.stderr
