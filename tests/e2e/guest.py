"""A participant on a real SFU that shows a pattern and beeps in step, and does as it is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from agent.clock import LoopClock
from agent.dev.sfu import Sfu
from agent.identity import ApiKey
from agent.room import AudioOptions, AudioPublication, VideoOptions, VideoPublication
from agent.rtc.room import RtcRoom
from agent.session import Session, joined
from agent.tracks.pattern import Pattern, source_id
from agent.tracks.publication import Playback
from agent.tracks.tone import Tone

SIZE, FPS = (640, 360), 30


class Guest:
    """Somebody in the room.

    Attributes:
        video: Its camera; ``None`` while there is none.
        audio: Its microphone; likewise.
    """

    def __init__(self, session: Session) -> None:
        self.video: VideoPublication | None = None
        self.audio: AudioPublication | None = None
        self._session = session
        self._clock = LoopClock()
        self._playback: Playback | None = None
        self._playing: asyncio.Task[None] | None = None

    async def publish(self, *, video: bool = True, audio: bool = True) -> None:
        """Offer camera and microphone and send to them until :meth:`unpublish`."""
        pattern = Pattern(*SIZE, FPS, source_id=source_id(self._session.identity))
        tone = Tone(amplitude=0.05, beep_amplitude=0.5)
        if video:
            self.video = await self._session.publish_video(VideoOptions(*SIZE, max_fps=FPS))
        if audio:
            self.audio = await self._session.publish_audio(AudioOptions())
        self._playback = Playback(
            self._clock,
            video=(pattern, self.video) if self.video else None,
            audio=(tone, self.audio) if self.audio else None,
        )
        self._playing = asyncio.create_task(self._playback.run(self._clock.now() + 0.1))

    async def unpublish(self) -> None:
        """Withdraw both. Idempotent."""
        if self._playback and self._playing:
            self._playback.stop()
            await self._playing
        for track in (self.video, self.audio):
            if track:
                await track.aclose()
        self._playback = self._playing = self.video = self.audio = None


@asynccontextmanager
async def guest(sfu: Sfu, room: str, identity: str = "ann") -> AsyncGenerator[Guest]:
    """Join ``room`` for as long as the block takes."""
    access = ApiKey(sfu.url, room, identity, sfu.api_key, sfu.api_secret)
    async with joined(lambda: RtcRoom(auto_subscribe=False), access) as session:
        reading = asyncio.create_task(_read(session))
        somebody = Guest(session)
        try:
            yield somebody
        finally:
            await somebody.unpublish()
            reading.cancel()


async def _read(session: Session) -> None:
    async for _ in session.events():
        pass
