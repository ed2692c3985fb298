"""A stay in a room to show something: one thing after another, picture and sound in step."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from agent.clock import Clock, LoopClock
from agent.errors import ServiceError
from agent.identity import AccessSource
from agent.media import AudioFrame, VideoFrame
from agent.room import (
    AudioOptions,
    AudioPublication,
    Ended,
    EndReason,
    Room,
    VideoOptions,
    VideoPublication,
)
from agent.session import Session, joined
from agent.tracks.publication import Playback

PROGRESS_S = 0.25

START_AFTER_S = 0.1
"""From publishing to the first frame: the first ones should not be late already."""

TAIL_S = 0.2
"""What is under way when the last frame was sent needs to be gone before the room is left."""

_ENDINGS = {
    EndReason.REMOVED: "we were removed from the room",
    EndReason.DUPLICATE_IDENTITY: "somebody else joined under our identity",
    EndReason.CONNECTION_LOST: "the connection was lost for too long",
}


@dataclass(frozen=True, slots=True)
class Item:
    """Something to show: pictures, sound, or both, on one timeline, and how to publish them."""

    title: str
    video: tuple[AsyncIterable[VideoFrame], VideoOptions] | None = None
    audio: tuple[AsyncIterable[AudioFrame], AudioOptions] | None = None
    length_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What has become of an item so far.

    Attributes:
        position_s: Of its timeline, reached.
        pictures: Number sent.
        skipped: Pictures and blocks of sound that were too late, and so not sent.
        blocks: Of sound, sent.
    """

    title: str
    length_s: float | None
    position_s: float
    pictures: int
    blocks: int
    skipped: int


class Watcher(Protocol):
    """Is told how it goes, on the event loop, and returns at once."""

    def started(self, identity: str) -> None:
        """Hear that the room is joined."""
        ...

    def progressed(self, shown: Shown) -> None:
        """Hear how far it is, several times a second."""
        ...


async def play_in_room(
    new_room: Callable[[], Room],
    accesses: AccessSource,
    items: AsyncGenerator[Item],
    *,
    stop: asyncio.Event,
    watcher: Watcher,
    seconds: float | None = None,
    clock: Clock | None = None,
) -> list[Shown]:
    """Join, show ``items`` one after another, and leave after the last.

    A track is kept from one item to the next where both publish it alike.

    Args:
        new_room: Makes a connection that is not joined yet.
        accesses: Asked for every attempt to join.
        items: Each is asked for when the one before has ended; closed when no more is needed.
        stop: Once set, ends it.
        watcher: Whom to tell how it goes.
        seconds: To stop after; ``None`` is never.
        clock: What to pace by.

    Raises:
        ServiceError: If the room can't be joined, or was closed to us for good.
        ExceptionGroup: With those, or with what an item raised.
    """
    clock = clock or LoopClock()
    shown: list[Shown] = []
    async with joined(new_room, accesses, clock=clock) as session:
        watcher.started(session.identity)
        stage = _Stage(session, clock, stop, watcher)
        async with asyncio.TaskGroup() as tasks:
            attending = [tasks.create_task(stage.attend(), name="follow the room")]
            if seconds is not None:
                deadline = clock.now() + seconds
                attending.append(tasks.create_task(_stop_at(deadline, clock, stop), name="limit"))
            async with aclosing(items):
                async for item in items:
                    shown.append(await stage.show(item))
                    if stop.is_set():
                        break
            for task in attending:
                task.cancel()
    return shown


async def _stop_at(deadline: float, clock: Clock, stop: asyncio.Event) -> None:
    await clock.sleep_until(deadline)
    stop.set()


class _Stage:
    """What is published over one stay."""

    def __init__(
        self,
        session: Session,
        clock: Clock,
        stop: asyncio.Event,
        watcher: Watcher,
    ) -> None:
        self._session = session
        self._clock = clock
        self._stop = stop
        self._watcher = watcher
        self._video: tuple[VideoOptions, VideoPublication] | None = None
        self._audio: tuple[AudioOptions, AudioPublication] | None = None

    async def attend(self) -> None:
        """Read what happens in the room: that has to be done, and may tell that it is over.

        Raises:
            ServiceError: If the room was closed to us for good.
        """
        async for event in self._session.events():
            if isinstance(event, Ended) and event.reason is not EndReason.LEFT:
                reason = _ENDINGS.get(event.reason, f"the room ended ({event.reason})")
                message = f"{reason}, so nothing more is played"
                raise ServiceError(message)

    async def show(self, item: Item) -> Shown:
        """Show ``item`` to its end, or to the stop."""
        video = await self._video_track(item.video[1] if item.video else None)
        audio = await self._audio_track(item.audio[1] if item.audio else None)
        playback = Playback(
            self._clock,
            video=(item.video[0], video) if item.video and video else None,
            audio=(item.audio[0], audio) if item.audio and audio else None,
        )
        epoch = self._clock.now() + START_AFTER_S
        async with asyncio.TaskGroup() as tasks:
            attending = (
                tasks.create_task(self._stop_when_asked(playback), name="wait for the stop"),
                tasks.create_task(self._tell(item, playback), name="tell the progress"),
            )
            await playback.run(epoch)
            for task in attending:
                task.cancel()
        if not self._stop.is_set():
            await self._clock.sleep_until(self._clock.now() + TAIL_S)
        return _shown(item, playback)

    async def _video_track(self, options: VideoOptions | None) -> VideoPublication | None:
        if self._video and self._video[0] != options:
            await self._video[1].aclose()
            self._video = None
        if options and not self._video:
            self._video = options, await self._session.publish_video(options)
        return self._video[1] if self._video else None

    async def _audio_track(self, options: AudioOptions | None) -> AudioPublication | None:
        if self._audio and self._audio[0] != options:
            await self._audio[1].aclose()
            self._audio = None
        if options and not self._audio:
            self._audio = options, await self._session.publish_audio(options)
        return self._audio[1] if self._audio else None

    async def _stop_when_asked(self, playback: Playback) -> None:
        await self._stop.wait()
        playback.stop()

    async def _tell(self, item: Item, playback: Playback) -> None:
        while True:
            self._watcher.progressed(_shown(item, playback))
            await self._clock.sleep_until(self._clock.now() + PROGRESS_S)


def _shown(item: Item, playback: Playback) -> Shown:
    tracks = [track for track in (playback.video, playback.audio) if track is not None]
    return Shown(
        title=item.title,
        length_s=item.length_s,
        position_s=max((track.position_s for track in tracks), default=0.0),
        pictures=playback.video.frames if playback.video else 0,
        blocks=playback.audio.frames if playback.audio else 0,
        skipped=sum(track.skipped for track in tracks),
    )
