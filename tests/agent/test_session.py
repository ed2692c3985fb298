import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from agent.errors import AccessError, JoinError, ServiceError
from agent.media import Kind, VideoFrame
from agent.room import (
    Access,
    AudioOptions,
    Ended,
    EndReason,
    ParticipantJoined,
    ParticipantLeft,
    Reconnected,
    Reconnecting,
    RoomEvent,
    Source,
    TrackSubscribed,
    VideoOptions,
    VideoPublication,
)
from agent.session import EVENTS_WAITING, Patience, Session, joined
from tests.doubles import ManualClock, settle
from tests.fake_room import FakeRoom, FakeSfu, Grant

FULL = JoinError("lobby", "ws://fake", "the room is full")
BANNED = JoinError("lobby", "ws://fake", "you are banned", retry=False)
TURNED_AWAY = AccessError("http://tokens", "HTTP 403", retry=False)
PICTURE = VideoFrame(np.zeros((24, 16), np.uint8), 0)
LOSSES = [reason for reason in EndReason if not reason.is_final]
FINAL = [reason for reason in EndReason if reason.is_final and reason is not EndReason.LEFT]


@dataclass
class Tokens:
    """Gives a new token each time; refuses when told to."""

    sfu: FakeSfu
    grant: Grant
    given: list[str] = field(default_factory=list)
    error: AccessError | None = None

    async def access(self) -> Access:
        if self.error:
            raise self.error
        access = self.sfu.access(self.grant)
        self.given.append(access.token)
        return access


@dataclass
class Reader:
    """Reads a session's events as they come."""

    events: list[RoomEvent] = field(default_factory=list)

    async def read(self, session: Session) -> None:
        async for event in session.events():
            self.events.append(event)

    @property
    def kinds(self) -> list[type[RoomEvent]]:
        return [type(event) for event in self.events]

    def of(self, kind: type[RoomEvent]) -> list[RoomEvent]:
        return [event for event in self.events if isinstance(event, kind)]


class Stage:
    """A bot in a room of a fake SFU, and whoever else a test lets in."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sfu = FakeSfu(clock)
        self.tokens = Tokens(self.sfu, Grant("bot"))
        self.rooms: list[FakeRoom] = []
        self.reader = Reader()
        self.kind = FakeRoom

    def new_room(self) -> FakeRoom:
        room = self.kind(self.sfu, "lobby")
        self.rooms.append(room)
        return room

    async def guest(self, identity: str) -> FakeRoom:
        room = FakeRoom(self.sfu, "lobby")
        await room.connect(Access("ws://fake", f"identity:{identity}"), timeout_s=1)
        return room

    @asynccontextmanager
    async def stay(self, *, rejoin_s: float = 600.0, read: bool = True) -> AsyncIterator[Session]:
        """Be in the room; the reader has everything, the end included, when this returns."""
        reading = None
        try:
            async with joined(
                self.new_room,
                self.tokens,
                clock=self.clock,
                patience=Patience(rejoin_s=rejoin_s),
            ) as session:
                if read:
                    reading = asyncio.create_task(self.reader.read(session))
                await settle()
                yield session
        finally:
            if reading:
                await asyncio.wait_for(reading, 2)

    def lose(self, reason: EndReason = EndReason.SERVER_SHUTDOWN) -> None:
        """Let the server end the bot's connection."""
        self.sfu.end(self.rooms[-1], reason)


@pytest.fixture
def stage(clock: ManualClock) -> Stage:
    return Stage(clock)


def reasons(events: list[RoomEvent]) -> list[EndReason]:
    return [event.reason for event in events if isinstance(event, Ended)]


# Joining


async def test_a_stay_begins_in_the_room_and_ends_outside(stage: Stage) -> None:
    async with stage.stay() as session:
        assert (session.room_name, session.identity) == ("lobby", "bot")
        assert session.room_sid == "RM_lobby"
        assert not stage.rooms[0].ended

    assert stage.rooms[0].ended
    assert session.room_sid == ""
    assert reasons(stage.reader.events) == [EndReason.LEFT]


@pytest.mark.parametrize("error", [FULL, BANNED])
async def test_a_first_attempt_that_fails_is_not_repeated(stage: Stage, error: JoinError) -> None:
    stage.sfu.refuse_joins(error)

    with pytest.raises(JoinError, match=error.reason):
        async with stage.stay(read=False):
            pass

    assert stage.sfu.joins == 1


async def test_without_a_token_nothing_is_begun(stage: Stage) -> None:
    stage.tokens.error = TURNED_AWAY

    with pytest.raises(AccessError):
        async with stage.stay(read=False):
            pass

    assert stage.sfu.joins == 0


async def test_who_is_there_already_is_told_as_having_joined(stage: Stage) -> None:
    await stage.guest("ann")

    async with stage.stay():
        pass

    assert stage.reader.kinds == [ParticipantJoined, Ended]


# Ends that are meant


@pytest.mark.parametrize("reason", FINAL)
async def test_an_end_that_somebody_wants_ends_the_stay(stage: Stage, reason: EndReason) -> None:
    async with stage.stay():
        stage.lose(reason)
        await stage.clock.advance(1000)

    assert reasons(stage.reader.events) == [reason]
    assert stage.sfu.joins == 1


async def test_a_stay_that_has_ended_ends_once(stage: Stage) -> None:
    async with stage.stay() as session:
        stage.lose(EndReason.REMOVED)
        await settle()
        with pytest.raises(ServiceError):
            await session.publish_video(VideoOptions(16, 16))

    assert stage.reader.kinds == [Ended]


# Losses


@pytest.mark.parametrize("reason", LOSSES)
async def test_a_lost_connection_is_joined_again_with_a_new_token(
    stage: Stage, reason: EndReason
) -> None:
    async with stage.stay():
        for _ in range(3):
            stage.lose(reason)
            await stage.clock.advance(1)

    assert stage.sfu.joins == 4
    assert len(set(stage.tokens.given)) == 4
    assert stage.reader.kinds == [Reconnecting, Reconnected] * 3 + [Ended]
    told = [event.reason for event in stage.reader.events if isinstance(event, Reconnecting)]
    assert told == [reason] * 3


async def test_after_a_loss_everyone_has_left_and_those_who_are_there_come_again(
    stage: Stage,
) -> None:
    ann, _ben = await stage.guest("ann"), await stage.guest("ben")

    async with stage.stay():
        stage.lose()
        stage.sfu.end(ann, EndReason.LEFT)
        await stage.clock.advance(1)

    story = [
        (type(event), event.participant.identity)
        if isinstance(event, ParticipantJoined | ParticipantLeft)
        else type(event)
        for event in stage.reader.events
    ]
    assert story == [
        (ParticipantJoined, "ann"),
        (ParticipantJoined, "ben"),
        Reconnecting,
        (ParticipantLeft, "ann"),
        (ParticipantLeft, "ben"),
        Reconnected,
        (ParticipantJoined, "ben"),
        Ended,
    ]


async def test_who_has_left_before_a_loss_does_not_leave_again(stage: Stage) -> None:
    ann = await stage.guest("ann")

    async with stage.stay():
        stage.sfu.end(ann, EndReason.LEFT)
        stage.lose()
        await stage.clock.advance(1)

    assert len(stage.reader.of(ParticipantLeft)) == 1


async def test_the_room_has_no_name_of_the_servers_while_the_connection_is_lost(
    stage: Stage,
) -> None:
    async with stage.stay() as session:
        stage.sfu.refuse_joins(FULL)
        stage.lose()
        await settle()
        assert session.room_sid == ""
        stage.sfu.accept_joins()
        await stage.clock.advance(10)
        assert session.room_sid == "RM_lobby"


async def test_a_server_that_comes_back_late_is_joined_then(stage: Stage) -> None:
    async with stage.stay():
        stage.sfu.refuse_joins(FULL)
        stage.lose()
        await stage.clock.advance(500)
        stage.sfu.accept_joins()
        await stage.clock.advance(5)

        assert not stage.rooms[-1].ended

    assert stage.reader.kinds == [Reconnecting, Reconnected, Ended]


async def test_attempts_to_join_again_become_rarer_but_never_rare(stage: Stage) -> None:
    async with stage.stay():
        stage.sfu.refuse_joins(FULL)
        stage.lose()
        await stage.clock.advance(10)
        early = stage.sfu.joins - 1
        await stage.clock.advance(100)
        late = stage.sfu.joins - 1 - early

    assert 5 <= early <= 12
    assert 20 <= late <= 42


async def test_patience_has_an_end(stage: Stage) -> None:
    async with stage.stay(rejoin_s=60):
        stage.sfu.refuse_joins(FULL)
        stage.lose(EndReason.CONNECTION_LOST)
        await stage.clock.advance(66)
        attempts = stage.sfu.joins
        await stage.clock.advance(1000)

        assert stage.sfu.joins == attempts

    assert stage.reader.kinds == [Reconnecting, Ended]
    assert reasons(stage.reader.events) == [EndReason.CONNECTION_LOST]
    assert 60 <= stage.reader.events[-1].at <= 66


async def test_a_server_that_refuses_us_is_not_asked_again(stage: Stage) -> None:
    async with stage.stay():
        stage.sfu.refuse_joins(BANNED)
        stage.lose()
        await stage.clock.advance(1000)

    assert stage.sfu.joins == 2
    assert reasons(stage.reader.events) == [EndReason.SERVER_SHUTDOWN]


async def test_a_token_endpoint_that_refuses_us_is_not_asked_again(stage: Stage) -> None:
    async with stage.stay():
        stage.tokens.error = TURNED_AWAY
        stage.lose()
        await stage.clock.advance(1000)

    assert stage.sfu.joins == 1
    assert reasons(stage.reader.events) == [EndReason.SERVER_SHUTDOWN]


async def test_a_token_endpoint_that_is_down_is_waited_for(stage: Stage) -> None:
    async with stage.stay():
        stage.tokens.error = AccessError("http://tokens", "HTTP 503")
        stage.lose()
        await stage.clock.advance(30)
        stage.tokens.error = None
        await stage.clock.advance(5)

    assert stage.reader.kinds == [Reconnecting, Reconnected, Ended]


async def test_a_server_that_does_not_answer_is_asked_again(stage: Stage) -> None:
    async with stage.stay():
        stage.sfu.hold_joins()
        stage.lose()
        await stage.clock.advance(40)
        assert stage.sfu.joins >= 3
        stage.sfu.accept_joins()
        await stage.clock.advance(10)

        assert not stage.rooms[-1].ended


# What was published


async def test_what_was_published_is_published_again(stage: Stage) -> None:
    ann = await stage.guest("ann")

    async with stage.stay() as session:
        video = await session.publish_video(VideoOptions(16, 16, source=Source.SCREEN_SHARE))
        audio = await session.publish_audio(AudioOptions(channels=2))
        before = {video.sid, audio.sid}
        stage.lose()
        await stage.clock.advance(1)

        assert before.isdisjoint({video.sid, audio.sid})
        offered = {(it.info.source, it.info.kind) for it in ann.remote_tracks.values()}
        assert offered == {
            (Source.SCREEN_SHARE, Kind.VIDEO),
            (Source.MICROPHONE, Kind.AUDIO),
        }


async def test_what_is_sent_arrives_over_the_new_connection(stage: Stage) -> None:
    ann = await stage.guest("ann")

    async with stage.stay() as session:
        video = await session.publish_video(VideoOptions(16, 16))
        stage.lose()
        await settle()
        await video.send(PICTURE)  # nobody gets this one
        await stage.clock.advance(1)
        (remote,) = ann.remote_tracks.values()
        stream = remote.open(keep_bytes=1000)
        await video.send(PICTURE)

    assert [float(frame.time) async for frame in stream] == [1.0]


async def test_what_was_muted_is_muted_again(stage: Stage) -> None:
    ann = await stage.guest("ann")

    async with stage.stay() as session:
        video = await session.publish_video(VideoOptions(16, 16))
        audio = await session.publish_audio(AudioOptions())
        await video.set_muted(muted=True)
        stage.lose()
        await settle()
        await audio.set_muted(muted=True)  # also if that was wished while outside
        await stage.clock.advance(1)

        assert [remote.info.muted for remote in ann.remote_tracks.values()] == [True, True]


async def test_what_was_closed_is_not_published_again(stage: Stage) -> None:
    ann = await stage.guest("ann")

    async with stage.stay() as session:
        early = await session.publish_video(VideoOptions(16, 16))
        late = await session.publish_video(VideoOptions(16, 16))
        await early.aclose()
        stage.lose()
        await settle()
        await late.aclose()
        await stage.clock.advance(1)

        assert ann.remote_tracks == {}
        assert (early.sid, late.sid) == ("", "")


async def test_what_is_published_while_outside_is_published_after_joining(stage: Stage) -> None:
    ann = await stage.guest("ann")

    async with stage.stay() as session:
        stage.lose()
        await settle()
        video = await session.publish_video(VideoOptions(16, 16))
        assert video.sid == ""
        await stage.clock.advance(1)

        assert list(ann.remote_tracks) == [video.sid]


class SlowRoom(FakeRoom):
    """A room in which publishing and setting attributes take a second."""

    async def publish_video(self, options: VideoOptions) -> VideoPublication:  # type: ignore[override]
        await self.sfu.clock.sleep_until(self.sfu.clock.now() + 1)
        return await super().publish_video(options)

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        await self.sfu.clock.sleep_until(self.sfu.clock.now() + 1)
        await super().set_attributes(attributes)


async def test_what_is_published_while_the_rest_is_restored_is_published_once(
    stage: Stage,
) -> None:
    ann = await stage.guest("ann")

    async with stage.stay() as session:
        await session.set_attributes({"a": "1"})
        await session.publish_video(VideoOptions(16, 16))
        stage.kind = SlowRoom
        stage.lose()
        await stage.clock.advance(0.5)
        publishing = asyncio.create_task(session.publish_video(VideoOptions(32, 32)))
        await stage.clock.advance(5)
        await publishing

        assert len(ann.remote_tracks) == 2


async def test_attributes_are_set_again(stage: Stage) -> None:
    async with stage.stay() as session:
        await session.set_attributes({"a": "1", "b": "1"})
        await session.set_attributes({"b": "2"})
        stage.lose()
        await settle()
        await session.set_attributes({"c": "3"})
        await stage.clock.advance(1)

        assert stage.rooms[-1].participant.attributes == {"a": "1", "b": "2", "c": "3"}


async def test_attributes_that_our_token_forbids_keep_us_from_nothing(stage: Stage) -> None:
    stage.tokens.grant = Grant("bot", may_update_attributes=False)

    async with stage.stay() as session:
        with pytest.raises(ServiceError):
            await session.set_attributes({"a": "1"})
        stage.lose()
        await stage.clock.advance(1)

        assert not stage.rooms[-1].ended

    assert stage.reader.kinds == [Reconnecting, Reconnected, Ended]


class MuteRoom(FakeRoom):
    """A room that lets nobody publish."""

    async def publish_video(self, _options: VideoOptions) -> VideoPublication:  # type: ignore[override]
        raise ServiceError("the token does not allow us to publish")


async def test_a_connection_that_cannot_be_restored_is_given_up_and_tried_again(
    stage: Stage,
) -> None:
    async with stage.stay() as session:
        video = await session.publish_video(VideoOptions(16, 16))
        stage.kind = MuteRoom
        stage.lose()
        await stage.clock.advance(5)
        assert all(room.ended for room in stage.rooms)
        stage.kind = FakeRoom
        await stage.clock.advance(6)

        assert not stage.rooms[-1].ended
        assert video.sid

    assert stage.reader.kinds == [Reconnecting, Reconnected, Ended]


# Leaving


@pytest.mark.parametrize("answer", ["refused", "silent"])
async def test_leaving_while_outside_does_not_wait(stage: Stage, answer: str) -> None:
    async with asyncio.timeout(2):
        async with stage.stay():
            if answer == "refused":
                stage.sfu.refuse_joins(FULL)
            else:
                stage.sfu.hold_joins()
            stage.lose()
            await stage.clock.advance(1)

    assert reasons(stage.reader.events) == [EndReason.LEFT]


async def test_leaving_in_the_moment_of_a_loss_does_not_join_again(stage: Stage) -> None:
    async with asyncio.timeout(2):
        async with stage.stay():
            stage.lose()  # and nobody has heard of it yet

    assert stage.sfu.joins == 1
    assert stage.reader.kinds[-1] is Ended
    assert len(stage.reader.of(Ended)) == 1


async def test_leaving_while_the_new_connection_is_restored_leaves_it(stage: Stage) -> None:
    async with stage.stay() as session:
        await session.publish_video(VideoOptions(16, 16))
        stage.kind = SlowRoom
        stage.lose()
        await stage.clock.advance(0.5)
        assert not stage.rooms[-1].ended

    assert stage.rooms[-1].ended


async def test_a_body_that_fails_leaves_the_room(stage: Stage) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with stage.stay():
            raise KeyError("a bug")

    assert raised.group_contains(KeyError)
    assert stage.rooms[0].ended
    assert reasons(stage.reader.events) == [EndReason.LEFT]


async def test_a_body_that_is_cancelled_leaves_the_room(stage: Stage) -> None:
    inside = asyncio.Event()

    async def stay() -> None:
        async with stage.stay():
            inside.set()
            await asyncio.Event().wait()

    staying = asyncio.create_task(stay())
    await inside.wait()
    staying.cancel()

    with pytest.raises(asyncio.CancelledError):
        await staying
    assert stage.rooms[0].ended
    assert reasons(stage.reader.events) == [EndReason.LEFT]


# Nobody reads


async def test_with_nobody_reading_the_stay_ends_all_the_same(stage: Stage) -> None:
    async with asyncio.timeout(4):
        async with stage.stay(read=False) as session:
            ann = await stage.guest("ann")
            for _ in range(EVENTS_WAITING + 10):
                await ann.set_attributes({"a": "1"})
            await settle()

        await stage.reader.read(session)

    assert len(stage.reader.events) == EVENTS_WAITING
    assert stage.reader.kinds[-1] is Ended
    assert len(stage.reader.of(Ended)) == 1


async def test_a_slow_reader_loses_nothing(stage: Stage) -> None:
    async with stage.stay(read=False) as session:
        ann = await stage.guest("ann")
        for number in range(EVENTS_WAITING + 10):
            await ann.set_attributes({"n": str(number)})
        reading = asyncio.create_task(stage.reader.read(session))
        await settle()
        await settle()
    await reading

    assert len(stage.reader.events) == 1 + EVENTS_WAITING + 10 + 1


async def test_tracks_come_through_as_they_are(stage: Stage) -> None:
    ann = await stage.guest("ann")
    track = ann.start_track(Kind.VIDEO, Source.CAMERA)

    async with stage.stay():
        (subscribed,) = stage.reader.of(TrackSubscribed)
        assert isinstance(subscribed, TrackSubscribed)
        stream = subscribed.track.open(keep_bytes=1000)
        track.put(PICTURE)

    assert [frame async for frame in stream] == [PICTURE]
