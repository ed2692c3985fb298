"""The demonstration: a bot that publishes and records, and two guests for it to record."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock, LoopClock
from agent.dev.child import Child
from agent.dev.clips import find_clip
from agent.dev.stack import Stack
from agent.identity import TokenEndpoint
from agent.recording.folder import RecordingFolder
from agent.recording.job import (
    RecordingResult,
    Watcher,
    finish_recording,
    record_session,
    rescue_in_background,
)
from agent.recording.ledger import utc_now
from agent.recording.recorder import RecordingOptions
from agent.room import AudioOptions, VideoOptions
from agent.rtc.room import RtcRoom
from agent.session import Session, joined
from agent.tracks.pattern import Pattern, source_id
from agent.tracks.publication import Playback
from agent.tracks.tone import Tone

BOT = "roomcast"
BARS_GUEST, FILM_GUEST = "bars", "film"
SIZE, FPS = (640, 360), 25
TONE_AMPLITUDE, BEEP_AMPLITUDE = 0.02, 0.2  # for people's ears


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What to show.

    Attributes:
        seconds: How long to record; ``None`` is until stopped.
        guests: Whether two guests publish too.
    """

    room: str
    out: Path
    seconds: float | None
    guests: bool


async def run_demo(
    stack: Stack, options: DemoOptions, *, stop: asyncio.Event, watcher: Watcher
) -> RecordingResult:
    """Let the bot join with an identity from the token server, publish, and record.

    Args:
        stack: What to run on.
        options: What to show.
        stop: Set to end it.
        watcher: Whom to tell how it goes.

    Raises:
        ServiceError: If the bot can't join.
        UsageError: If recordings can't be written, or a guest can't be started.
    """
    clock = LoopClock()
    access = TokenEndpoint(
        stack.tokens.token_url, options.room, BOT, key=stack.tokens.bot_key, role="bot"
    )
    recording = RecordingOptions(seconds=options.seconds, until_empty_s=None)
    folder = RecordingFolder.create(options.out, options.room, utc_now())
    try:
        async with AsyncExitStack() as running:
            session = await running.enter_async_context(
                joined(
                    lambda: RtcRoom(clock, auto_subscribe=False, dynacast=True),
                    access,
                    clock=clock,
                )
            )
            await running.enter_async_context(_showing(session, clock))
            if options.guests:
                await running.enter_async_context(_guests(stack, options.room))
            rescue_in_background(options.out, watcher.rescued)
            recorder = await record_session(
                session, folder, recording, clock=clock, stop=stop, watcher=watcher
            )
        watcher.finishing()
        return await finish_recording(folder, recorder)
    finally:
        folder.close()


@asynccontextmanager
async def _showing(session: Session, clock: Clock) -> AsyncGenerator[None]:
    """Publish colour bars with a clock and a tone with a beep a second, in step."""
    video = await session.publish_video(VideoOptions(*SIZE, max_fps=FPS))
    audio = await session.publish_audio(AudioOptions())
    pattern = Pattern(*SIZE, FPS, source_id=source_id(BOT))
    tone = Tone(amplitude=TONE_AMPLITUDE, beep_amplitude=BEEP_AMPLITUDE)
    playback = Playback(
        clock,
        video=(pattern, video),
        audio=(tone, audio),
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(playback.run(clock.now()), name="show")
        try:
            yield
        finally:
            playback.stop()


@asynccontextmanager
async def _guests(stack: Stack, room: str) -> AsyncGenerator[None]:
    """Let two guests publish, each a process of its own, as anyone's would be."""
    film = find_clip()
    picture = f"bars:{SIZE[0]}x{SIZE[1]}@{FPS}"
    bars = ["publish", room, "--identity", BARS_GUEST, "--video", picture, "--audio", "beep:330"]
    play = ["play", room, str(film), "--loop", "--identity", FILM_GUEST]
    log = stack.tokens.log.with_name("guests.log")
    log.unlink(missing_ok=True)
    children = [await asyncio.to_thread(_start, stack, command, log) for command in (bars, play)]
    try:
        yield
    finally:
        for child in children:
            await asyncio.to_thread(child.close)


def _start(stack: Stack, command: Sequence[str], log: Path) -> Child:
    environment = dict.fromkeys(
        ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "ROOMCAST_TOKEN_KEY"), ""
    )
    environment["ROOMCAST_TOKEN_URL"] = stack.tokens.token_url
    return Child([sys.executable, "-m", "agent", *command], log, environment)
