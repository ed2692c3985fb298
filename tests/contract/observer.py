"""Reads a room's events, and waits for what a test expects of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np

from agent.clock import LoopClock
from agent.media import AudioFrame, Frame, VideoFrame
from agent.room import (
    AudioPublication,
    FrameStream,
    Room,
    RoomEvent,
    TrackSubscribed,
    VideoPublication,
)

E = TypeVar("E", bound=RoomEvent)

PATIENCE_S = 8.0
"""A participant who publishes nothing is announced by a real SFU about 3 s after joining."""


class Observer:
    """All events of a room so far.

    Attributes:
        events: In the order in which they came.
        ended: Whether the last one came.
    """

    def __init__(self) -> None:
        self.events: list[RoomEvent] = []
        self.ended = False
        self._changed = asyncio.Event()

    async def read(self, room: Room) -> None:
        async for event in room.events():
            self.events.append(event)
            self._changed.set()
        self.ended = True
        self._changed.set()

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def expect(self, kind: type[E], at_least: int = 1) -> E:
        """Return the first, or ``at_least``-th, event of that kind, waiting for it."""
        await self.until(lambda: len(self.all(kind)) >= at_least, kind.__name__)
        return self.all(kind)[at_least - 1]

    async def until(self, met: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not met():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            message = f"no {what} within {PATIENCE_S} s; there were {self.events}"
            raise AssertionError(message) from None

    async def subscribed(self, at_least: int = 1) -> TrackSubscribed:
        return await self.expect(TrackSubscribed, at_least)


@asynccontextmanager
async def observed(room: Room) -> AsyncIterator[Observer]:
    """Read the events of ``room``, which is left at the end."""
    observer = Observer()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(observer.read(room))
        try:
            yield observer
        finally:
            await room.disconnect()


@asynccontextmanager
async def showing(
    publication: VideoPublication, *, fps: float = 30, size: tuple[int, int] = (160, 96)
) -> AsyncIterator[None]:
    """Send pictures for as long as the block takes."""
    width, height = size

    async def show() -> None:
        clock = LoopClock()
        epoch = clock.now()
        for number in range(100_000):
            shade = np.full((height * 3 // 2, width), 40 + number % 160, np.uint8)
            await publication.send(VideoFrame(shade, round(number / fps * 90_000)))
            await clock.sleep_until(epoch + (number + 1) / fps)

    async with background(show):
        yield


@asynccontextmanager
async def playing(publication: AudioPublication, *, rate: int = 48_000) -> AsyncIterator[None]:
    """Send a tone for as long as the block takes."""
    size = rate // 50

    async def play() -> None:
        clock = LoopClock()
        epoch = clock.now()
        for number in range(100_000):
            phase = 2 * np.pi * 440 * np.arange(number * size, (number + 1) * size) / rate
            wave = (8000 * np.sin(phase)).astype(np.int16)[:, np.newaxis]
            await publication.send(AudioFrame(wave, rate, number * size))
            await clock.sleep_until(epoch + (number + 1) / 50)

    async with background(play):
        yield


@asynccontextmanager
async def background(work: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


async def take(stream: FrameStream, number: int) -> list[Frame]:
    """Return the next frames of a stream, fewer if it ends before."""
    frames: list[Frame] = []
    async with asyncio.timeout(PATIENCE_S):
        async for frame in stream:
            frames.append(frame)
            if len(frames) == number:
                break
    return frames


async def dropping(stream: FrameStream, number: int) -> None:
    """Return once a stream that isn't read has dropped so many frames."""
    async with asyncio.timeout(PATIENCE_S):
        while stream.dropped < number:  # noqa: ASYNC110 - nothing tells of a drop, by design
            await asyncio.sleep(0.01)


async def drained(stream: FrameStream) -> int:
    """Return how many frames are left in a stream that must end within a second."""
    left = 0
    async with asyncio.timeout(1.0):
        async for _ in stream:
            left += 1
    return left
