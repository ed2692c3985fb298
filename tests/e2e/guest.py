"""A participant on a real SFU that shows a pattern and beeps in step, and does as it is told."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from livekit import api

from agent.clock import LoopClock
from agent.dev.sfu import Sfu
from agent.identity import AccessSource
from agent.media import AudioFrame, VideoFrame
from agent.room import (
    Access,
    AudioOptions,
    AudioPublication,
    RoomEvent,
    Source,
    VideoOptions,
    VideoPublication,
)
from agent.rtc.room import RtcRoom
from agent.session import Session, joined
from agent.tracks.pattern import Pattern, source_id
from agent.tracks.publication import Playback
from agent.tracks.tone import Tone

SIZE, FPS = (640, 360), 30
FREQUENCY_HZ = 440.0
_BLOCKS_PER_S = 50
_HEAD_START_S = 0.1
"""From publishing to the first frame: the first ones should not be late already."""


@dataclass(frozen=True, slots=True)
class GuestKey:
    """Signs tokens of somebody who may send and receive, and is no recorder."""

    url: str
    room: str
    identity: str
    api_key: str
    api_secret: str = field(repr=False)
    ttl: timedelta = timedelta(minutes=5)

    async def access(self) -> Access:
        grants = api.VideoGrants(
            room_join=True,
            room=self.room,
            can_publish=True,
            can_subscribe=True,
            can_publish_data=True,
            can_update_own_metadata=False,
            recorder=False,
        )
        token = (
            api.AccessToken(self.api_key, self.api_secret)
            .with_identity(self.identity)
            .with_grants(grants)
            .with_ttl(self.ttl)
        )
        return Access(self.url, token.to_jwt())


class Guest:
    """Somebody in the room.

    Attributes:
        video: Its camera; ``None`` while there is none.
        audio: Its microphone; likewise.
        screen: What it shares; likewise.
        epoch: When its picture 0 and its first beep are due, on the event loop's clock: known
            once something is published.
        sent: When each of its pictures was given away, while the camera was not muted.
        events: What it has heard of the room so far.
        rooms: Its connections, the last one in use.
    """

    def __init__(self, session: Session, tasks: asyncio.TaskGroup, rooms: list[RtcRoom]) -> None:
        self.video: VideoPublication | None = None
        self.audio: AudioPublication | None = None
        self.screen: VideoPublication | None = None
        self.epoch: float | None = None
        self.sent: dict[int, float] = {}
        self.events: list[RoomEvent] = []
        self.rooms = rooms
        self._session = session
        self._tasks = tasks
        self._clock = LoopClock()
        self._playing: dict[Source, tuple[Playback, asyncio.Task[None]]] = {}
        self._muted: set[Source] = set()

    async def publish(
        self,
        *,
        video: bool = True,
        audio: bool = True,
        size: tuple[int, int] = SIZE,
        fps: int = FPS,
        frequency: float = FREQUENCY_HZ,
    ) -> float:
        """Offer camera and microphone and send to them until :meth:`unpublish`.

        What is published later is in step with what was before. Returns when it was begun.
        """
        began = self._clock.now()
        if video:
            options = VideoOptions(*size, max_fps=fps)
            self.video = await self._session.publish_video(options)
        if audio:
            self.audio = await self._session.publish_audio(AudioOptions())
        if self.epoch is None:
            self.epoch = self._clock.now() + _HEAD_START_S
        if self.video and Source.CAMERA not in self._playing:
            pattern = Pattern(*size, fps, source_id=source_id(self._session.identity))
            pictures = self._noted(_pictures(pattern, self._from(fps)), fps)
            self._send(Source.CAMERA, Playback(self._clock, video=(pictures, self.video)))
        if self.audio and Source.MICROPHONE not in self._playing:
            tone = Tone(frequency, amplitude=0.05, beep_amplitude=0.5)
            blocks = _blocks(tone, self._from(_BLOCKS_PER_S))
            self._send(Source.MICROPHONE, Playback(self._clock, audio=(blocks, self.audio)))
        return began

    async def share_screen(self, *, size: tuple[int, int], fps: int) -> float:
        """Offer a screen and send to it; return when that was begun."""
        began = self._clock.now()
        options = VideoOptions(*size, max_fps=fps, name="screen", source=Source.SCREEN_SHARE)
        self.screen = await self._session.publish_video(options)
        pattern = Pattern(*size, fps, source_id=source_id(f"{self._session.identity}'s screen"))
        if self.epoch is None:
            self.epoch = self._clock.now() + _HEAD_START_S
        pictures = _pictures(pattern, self._from(fps))
        self._send(Source.SCREEN_SHARE, Playback(self._clock, video=(pictures, self.screen)))
        return began

    async def set_muted(self, source: Source, *, muted: bool) -> float:
        """Mute or unmute; return when."""
        track = {Source.CAMERA: self.video, Source.MICROPHONE: self.audio}[source]
        assert track is not None
        at = self._clock.now()
        if muted:
            self._muted.add(source)
        else:
            self._muted.discard(source)
        await track.set_muted(muted=muted)
        return at

    async def unpublish(self) -> float:
        """Withdraw everything; return when that was begun. Idempotent."""
        began = self._clock.now()
        await self.hush()
        offered = [track for track in (self.video, self.audio, self.screen) if track]
        await asyncio.gather(*(track.aclose() for track in offered))
        self.video = self.audio = self.screen = None
        return began

    async def hush(self) -> None:
        """Send nothing more."""
        for playback, playing in self._playing.values():
            playback.stop()
            await playing
        self._playing.clear()

    def _send(self, source: Source, playback: Playback) -> None:
        assert self.epoch is not None
        sending = self._tasks.create_task(playback.run(self.epoch), name=f"send {source}")
        self._playing[source] = playback, sending

    def _from(self, rate: float) -> int:
        """Return the number of the first frame that isn't late yet."""
        assert self.epoch is not None
        return max(0, math.ceil((self._clock.now() + _HEAD_START_S - self.epoch) * rate - 1e-6))

    async def _noted(
        self, pictures: AsyncIterator[VideoFrame], fps: int
    ) -> AsyncIterator[VideoFrame]:
        """Note when each picture was sent: that is when the next one is asked for."""
        async for picture in pictures:
            yield picture
            if Source.CAMERA not in self._muted:
                self.sent[round(float(picture.time) * fps)] = self._clock.now()


@asynccontextmanager
async def guest(
    sfu: Sfu,
    room: str,
    identity: str = "ann",
    *,
    accesses: AccessSource | None = None,
    epoch: float | None = None,
) -> AsyncGenerator[Guest]:
    """Join ``room`` for as long as the block takes; with an ``epoch`` one has been there before."""
    keyed = GuestKey(sfu.url, room, identity, sfu.api_key, sfu.api_secret)
    rooms: list[RtcRoom] = []

    def new_room() -> RtcRoom:
        rooms.append(RtcRoom(auto_subscribe=False))
        return rooms[-1]

    async with (
        joined(new_room, accesses or keyed) as session,
        asyncio.TaskGroup() as tasks,
    ):
        somebody = Guest(session, tasks, rooms)
        somebody.epoch = epoch
        reading = tasks.create_task(_read(session, somebody.events))
        try:
            yield somebody
        finally:
            await somebody.hush()
            reading.cancel()


async def _read(session: Session, heard: list[RoomEvent]) -> None:
    async for event in session.events():
        heard.append(event)


async def _pictures(pattern: Pattern, first: int) -> AsyncIterator[VideoFrame]:
    while True:
        yield pattern.frame(first)
        first += 1


async def _blocks(tone: Tone, first: int) -> AsyncIterator[AudioFrame]:
    while True:
        yield tone.frame(first)
        first += 1
