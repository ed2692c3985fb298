"""What every adapter of the port does, in the words of the port."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from agent.clock import LoopClock
from agent.errors import JoinError, ServiceError
from agent.media import AudioFrame, Kind, VideoFrame
from agent.room import (
    AudioOptions,
    Ended,
    EndReason,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    Room,
    Source,
    TrackMuted,
    TrackPublished,
    TrackSubscribed,
    TrackUnmuted,
    TrackUnpublished,
    TrackUnsubscribed,
    VideoOptions,
    VideoPublication,
)
from tests.contract.observer import drained, dropping, observed, playing, showing, take
from tests.contract.worlds import World

CAMERA = VideoOptions(160, 96)
MICROPHONE = AudioOptions()
PLENTY = 50_000_000


async def join(world: World, identity: str, *, auto_subscribe: bool = True) -> Room:
    room = world.room(auto_subscribe=auto_subscribe)
    await room.connect(world.access(identity), timeout_s=10)
    return room


async def gone(world: World, identity: str) -> None:
    """Return once the server has seen it leave; it notices a lost one after 15 s only."""
    async with asyncio.timeout(5):
        while identity in await world.present():  # noqa: ASYNC110 - it answers, it doesn't tell
            await asyncio.sleep(0.05)


async def test_who_was_there_before_is_announced_with_tracks(world: World) -> None:
    ann = await join(world, "ann")
    async with observed(ann):
        await ann.publish_video(CAMERA)
        bob = await join(world, "bob")
        async with observed(bob) as seen:
            subscribed = await seen.subscribed()

            joined, published, _ = seen.events[:3]
            assert isinstance(joined, ParticipantJoined)
            assert joined.participant.identity == "ann"
            assert isinstance(published, TrackPublished)
            assert (published.track.kind, published.track.source) == (Kind.VIDEO, Source.CAMERA)
            assert subscribed.track.info.sid == published.track.sid
            assert len(seen.all(TrackPublished)) == 1


async def test_who_was_there_before_is_announced_without_tracks_too(world: World) -> None:
    async with observed(await join(world, "ann")), observed(await join(world, "bob")) as seen:
        joined = await seen.expect(ParticipantJoined)

        assert joined.participant.identity == "ann"
        assert joined.participant.sid.startswith("PA_")
        assert joined.participant.may_update_attributes


async def test_it_knows_the_room_and_itself(world: World) -> None:
    ann = await join(world, "ann")
    async with observed(ann):
        assert ann.identity == "ann"
        assert ann.name.startswith("contract")
        assert ann.sid.startswith("RM_")


async def test_pictures_arrive_with_rising_times_close_to_the_clock(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        async with showing(await ann.publish_video(CAMERA)):
            stream = (await seen.subscribed()).track.open(keep_bytes=PLENTY)
            frames = await take(stream, 20)
            now = LoopClock().now()

        assert all(isinstance(f, VideoFrame) and (f.width, f.height) == (160, 96) for f in frames)
        times = [float(frame.time) for frame in frames]
        assert times == sorted(set(times))
        assert -0.1 < now - times[-1] < 0.3


async def test_sound_arrives_without_a_hole_at_times_close_to_the_clock(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        async with playing(await ann.publish_audio(MICROPHONE)):
            stream = (await seen.subscribed()).track.open(keep_bytes=PLENTY)
            frames = [f for f in await take(stream, 50) if isinstance(f, AudioFrame)]
            now = LoopClock().now()

        holes = [b.pts - a.pts - len(a.samples) for a, b in pairwise(frames)]
        assert len(frames) == 50
        assert max(map(abs, holes)) <= 480  # 10 ms: a fake sends when its sender's loop does
        assert -0.1 < now - float(frames[-1].time + frames[-1].duration) < 0.3


async def unpublish(_world: World, _ann: Room, _bob: Room, publication: VideoPublication) -> None:
    await publication.aclose()


async def publisher_leaves(_world: World, ann: Room, _bob: Room, _: VideoPublication) -> None:
    await ann.disconnect()


async def publisher_is_removed(world: World, _ann: Room, _bob: Room, _: VideoPublication) -> None:
    await world.remove("ann")


async def we_leave(_world: World, _ann: Room, bob: Room, _: VideoPublication) -> None:
    await bob.disconnect()


async def we_are_removed(world: World, _ann: Room, _bob: Room, _: VideoPublication) -> None:
    await world.remove("bob")


@pytest.mark.parametrize(
    "how", [unpublish, publisher_leaves, publisher_is_removed, we_leave, we_are_removed]
)
async def test_a_stream_ends_within_a_second(
    world: World, how: Callable[[World, Room, Room, VideoPublication], Awaitable[None]]
) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(CAMERA)
        async with showing(publication):
            stream = (await seen.subscribed()).track.open(keep_bytes=PLENTY)
            await take(stream, 3)
            await how(world, ann, bob, publication)
            await drained(stream)


async def test_a_stream_can_be_closed_and_the_track_opened_again(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen, showing(await ann.publish_video(CAMERA)):
        track = (await seen.subscribed()).track
        first = track.open(keep_bytes=PLENTY)
        await take(first, 3)
        await first.aclose()
        await drained(first)

        assert len(await take(track.open(keep_bytes=PLENTY), 3)) == 3


async def test_a_track_that_has_ended_opens_to_a_stream_that_ends(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(CAMERA)
        track = (await seen.subscribed()).track
        await publication.aclose()
        await seen.expect(TrackUnsubscribed)

        assert await drained(track.open(keep_bytes=PLENTY)) == 0


async def test_an_unpublished_track_is_told_of_once_and_in_order(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(CAMERA)
        await seen.subscribed()
        await publication.aclose()
        await seen.expect(TrackUnpublished)
        await ann.disconnect()
        await seen.expect(ParticipantLeft)

        kinds = [type(event) for event in seen.events if not isinstance(event, ParticipantChanged)]
        assert kinds == [
            ParticipantJoined,
            TrackPublished,
            TrackSubscribed,
            TrackUnsubscribed,
            TrackUnpublished,
            ParticipantLeft,
        ]


async def test_muting_and_unmuting_is_told(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(CAMERA)
        track = (await seen.subscribed()).track
        await publication.set_muted(muted=True)
        muted = await seen.expect(TrackMuted)
        assert muted.track.muted
        assert track.info.muted

        await publication.set_muted(muted=False)
        assert not (await seen.expect(TrackUnmuted)).track.muted


async def test_attributes_are_merged_and_told(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        await ann.publish_audio(MICROPHONE)
        await seen.subscribed()
        await ann.set_attributes({"colour": "blue"})
        await ann.set_attributes({"shape": "round"})

        await seen.until(
            lambda: any(
                event.participant.attributes == {"colour": "blue", "shape": "round"}
                for event in seen.all(ParticipantChanged)
            ),
            "merged attributes",
        )


async def test_attributes_that_the_token_forbids_are_an_error(world: World) -> None:
    ann = world.room()
    await ann.connect(world.access("ann", may_update=False), timeout_s=10)
    async with observed(ann):
        with pytest.raises(ServiceError, match="does not allow"):
            await ann.set_attributes({"colour": "blue"})


async def test_a_slow_reader_holds_no_more_than_it_asked_for_and_drops_are_counted(
    world: World,
) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob")
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(CAMERA)
        async with showing(publication):
            stream = (await seen.subscribed()).track.open(keep_bytes=2 * 160 * 96 * 3 // 2)
            await dropping(stream, 5)
        await publication.aclose()
        await seen.expect(TrackUnsubscribed)

        assert await drained(stream) <= 2


async def test_without_auto_subscription_tracks_are_offered_only(world: World) -> None:
    ann = await join(world, "ann")
    bob = await join(world, "bob", auto_subscribe=False)
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(CAMERA)
        await seen.expect(TrackPublished)
        await publication.aclose()
        await seen.expect(TrackUnpublished)

        assert not seen.all(TrackSubscribed)


async def test_leaving_ends_the_events_and_can_be_repeated(world: World) -> None:
    ann = await join(world, "ann")
    async with observed(ann) as seen:
        await asyncio.gather(ann.disconnect(), ann.disconnect())
        await ann.disconnect()
        await seen.until(lambda: seen.ended, "end")

        assert [event.reason for event in seen.all(Ended)] == [EndReason.LEFT]
        await gone(world, "ann")


async def test_who_is_removed_is_told_so_for_good(world: World) -> None:
    ann = await join(world, "ann")
    async with observed(ann) as seen:
        await ann.publish_audio(MICROPHONE)
        await world.remove("ann")
        ended = await seen.expect(Ended)

        assert ended.reason is EndReason.REMOVED
        assert ended.reason.is_final


async def test_of_two_with_one_identity_the_later_one_stays(world: World) -> None:
    first = await join(world, "ann")
    async with observed(first) as seen:
        second = await join(world, "ann")
        async with observed(second):
            assert (await seen.expect(Ended)).reason is EndReason.DUPLICATE_IDENTITY
            assert "ann" in await world.present()


async def test_sending_after_the_end_does_nothing(world: World) -> None:
    ann = await join(world, "ann")
    async with observed(ann) as seen:
        video = await ann.publish_video(CAMERA)
        audio = await ann.publish_audio(MICROPHONE)
        await world.remove("ann")
        await seen.expect(Ended)

        async with asyncio.timeout(1), showing(video), playing(audio):
            await asyncio.sleep(0.1)
        await video.set_muted(muted=True)
        await video.aclose()
        await audio.aclose()


async def test_publishing_after_the_end_is_an_error(world: World) -> None:
    ann = await join(world, "ann")
    async with observed(ann):
        await ann.disconnect()
        with pytest.raises(ServiceError):
            await ann.publish_video(CAMERA)


async def test_a_track_that_was_asked_for_is_received_until_it_is_no_longer(world: World) -> None:
    ann, bob = await join(world, "ann"), await join(world, "bob", auto_subscribe=False)
    async with observed(ann), observed(bob) as seen, showing(await ann.publish_video(CAMERA)):
        sid = (await seen.expect(TrackPublished)).track.sid
        assert not seen.all(TrackSubscribed)

        bob.subscribe(sid, wanted=True)
        stream = (await seen.subscribed()).track.open(keep_bytes=PLENTY)
        await take(stream, 3)
        bob.subscribe(sid, wanted=False)

        assert (await seen.expect(TrackUnsubscribed)).track.sid == sid
        async with asyncio.timeout(1):
            async for _ in stream:
                pass
        assert not seen.all(TrackUnpublished)


async def test_asking_for_a_track_that_is_not_there_does_nothing(world: World) -> None:
    async with observed(await join(world, "ann")):
        bob = await join(world, "bob")
        async with observed(bob) as seen:
            await seen.expect(ParticipantJoined)
            bob.subscribe("TR_nobody", wanted=True)
            bob.subscribe("TR_nobody", wanted=False)
            assert not seen.all(TrackSubscribed)


async def test_sound_of_another_shape_is_refused(world: World) -> None:
    ann = await join(world, "ann")
    async with observed(ann):
        audio = await ann.publish_audio(AudioOptions(sample_rate=48_000))
        with pytest.raises(ValueError, match="44100"):
            async with playing(audio, rate=44_100):
                await asyncio.sleep(0.1)


@pytest.mark.may_leak("the SDK keeps one HTTP connection to a server that refused it")
async def test_a_forged_token_is_refused_for_good_and_not_repeated_in_the_error(
    world: World,
) -> None:
    access = world.refused_access()
    room = world.room()
    with pytest.raises(JoinError, match="refused the token") as raised:
        await room.connect(access, timeout_s=10)
    await room.disconnect()

    assert not raised.value.retry
    assert access.token not in repr(raised.value) + str(raised.value)


async def test_a_join_that_is_cancelled_leaves_nobody_behind(world: World) -> None:
    room = world.room()
    joining = asyncio.create_task(room.connect(world.access("ann"), timeout_s=10))
    await asyncio.sleep(0)
    joining.cancel()
    await asyncio.wait({joining})
    await room.disconnect()

    await gone(world, "ann")


async def test_a_room_never_joined_can_be_left(world: World) -> None:
    room = world.room()
    async with observed(room) as seen:
        await room.disconnect()
        assert (await seen.expect(Ended)).reason is EndReason.LEFT
