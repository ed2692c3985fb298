import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import numpy as np
import pytest

from agent.media import AudioFrame, VideoFrame
from agent.tracks.publication import Playback
from tests.doubles import ManualClock, settle

FrameT = TypeVar("FrameT", AudioFrame, VideoFrame)
MS = 0.001


class Published(Generic[FrameT]):
    """A publication that notes what it is sent, and when.

    Attributes:
        sent: Clock readings and media times.
        takes_s: How long each sending takes.
    """

    sid = "TR_1"

    def __init__(self, clock: ManualClock, takes_s: float = 0.0) -> None:
        self.sent: list[tuple[float, float]] = []
        self.whole = 0
        self.takes_s = takes_s
        self._clock = clock

    async def send(self, frame: FrameT) -> None:
        self.sent.append((round(self._clock.now(), 6), round(float(frame.time), 6)))
        await self._clock.sleep_until(self._clock.now() + self.takes_s)
        self.whole += 1

    async def set_muted(self, *, muted: bool) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


async def pictures(count: int) -> AsyncIterator[VideoFrame]:
    for index in range(count):
        yield VideoFrame(np.zeros((3, 2), np.uint8), 3600 * index)


async def sound(count: int) -> AsyncIterator[AudioFrame]:
    for index in range(count):
        yield AudioFrame(np.zeros((960, 1), np.int16), 48_000, 960 * index)


async def test_both_tracks_leave_in_step_from_one_epoch(clock: ManualClock) -> None:
    video, audio = Published[VideoFrame](clock), Published[AudioFrame](clock)
    playback = Playback(clock, video=(pictures(3), video), audio=(sound(5), audio))

    running = asyncio.create_task(playback.run(10.0))
    await clock.advance(11.0)
    await running

    assert video.sent == [(10.0, 0.0), (10.04, 0.04), (10.08, 0.08)]
    assert audio.sent == [
        (10.0, 0.0),
        (10.02, 0.02),
        (10.04, 0.04),
        (10.06, 0.06),
        (10.08, 0.08),
    ]


async def test_one_track_alone_plays_and_the_other_is_none(clock: ManualClock) -> None:
    playback = Playback(clock, audio=(sound(5), Published[AudioFrame](clock)))

    running = asyncio.create_task(playback.run(0.0))
    await clock.advance(1.0)
    await running

    assert playback.video is None
    assert playback.audio is not None
    assert (playback.audio.frames, playback.audio.position_s) == (5, 0.08)


async def test_after_a_stall_both_go_on_where_they_would_be_without_it(clock: ManualClock) -> None:
    video, audio = Published[VideoFrame](clock), Published[AudioFrame](clock, takes_s=0.0)
    playback = Playback(clock, video=(pictures(100), video), audio=(sound(200), audio))

    await clock.advance(1.49)  # of which nothing runs
    running = asyncio.create_task(playback.run(0.0))
    for _ in range(10):
        await settle()
    await clock.advance(3.0)
    await running

    assert playback.video is not None
    assert playback.audio is not None
    assert playback.video.skipped == 35  # up to 0.1 s late is sent
    assert playback.audio.skipped == 74  # up to the one that is 20 ms late
    assert video.sent[0] == (1.49, 1.4)
    assert audio.sent[0] == (1.49, 1.48)
    assert playback.video.frames == 65
    assert playback.audio.frames == 126


async def test_a_queue_that_is_full_makes_sound_late_and_is_not_fed_for_ever(
    clock: ManualClock,
) -> None:
    audio = Published[AudioFrame](clock, takes_s=25 * MS)  # 25 % slower than real time
    playback = Playback(clock, audio=(sound(500), audio))

    running = asyncio.create_task(playback.run(0.0))
    await clock.advance(11.0)
    await running

    assert playback.audio is not None
    assert max(left - due for left, due in audio.sent) <= 0.06 + 1e-6
    assert playback.audio.skipped == pytest.approx(100, abs=10)
    assert playback.audio.frames + playback.audio.skipped == 500


async def test_how_late_frames_left_is_told(clock: ManualClock) -> None:
    playback = Playback(clock, video=(pictures(3), Published[VideoFrame](clock)))

    await clock.advance(0.05)
    running = asyncio.create_task(playback.run(0.0))
    await clock.advance(1.0)
    await running

    assert playback.video is not None
    assert playback.video.lateness.max_s == pytest.approx(0.05)
    assert playback.video.lateness.count == 3


async def test_stopping_ends_both_while_they_wait(clock: ManualClock) -> None:
    video, audio = Published[VideoFrame](clock), Published[AudioFrame](clock)
    playback = Playback(clock, video=(pictures(1000), video), audio=(sound(1000), audio))

    running = asyncio.create_task(playback.run(0.0))
    await clock.advance(1.005)
    playback.stop()
    await running

    assert (len(video.sent), len(audio.sent)) == (26, 51)


async def test_stopping_lets_a_frame_that_is_being_sent_go_out_whole(clock: ManualClock) -> None:
    video = Published[VideoFrame](clock, takes_s=0.03)
    playback = Playback(clock, video=(pictures(1000), video))

    running = asyncio.create_task(playback.run(0.0))
    await clock.advance(0.05)
    playback.stop()
    await clock.advance(0.02)
    await running

    assert (len(video.sent), video.whole) == (2, 2)


async def test_stopping_before_the_start_sends_nothing(clock: ManualClock) -> None:
    video = Published[VideoFrame](clock)
    playback = Playback(clock, video=(pictures(10), video))

    playback.stop()
    running = asyncio.create_task(playback.run(5.0))
    await clock.advance(0.1)
    await running

    assert video.sent == []


async def test_a_source_that_fails_ends_the_other_track_too(clock: ManualClock) -> None:
    async def broken() -> AsyncIterator[VideoFrame]:
        async for picture in pictures(2):
            yield picture
        raise RuntimeError("no more")

    audio = Published[AudioFrame](clock)
    playback = Playback(
        clock, video=(broken(), Published[VideoFrame](clock)), audio=(sound(1000), audio)
    )

    running = asyncio.create_task(playback.run(0.0))
    await clock.advance(1.0)

    with pytest.raises(ExceptionGroup) as caught:
        await running
    assert caught.group_contains(RuntimeError, match="no more")
    assert len(audio.sent) < 10
