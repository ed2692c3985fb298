"""The demonstration: a bot that publishes and records, and two guests for it to record."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.clock import LoopClock
from agent.dev.child import Child
from agent.dev.clips import find_clip
from agent.dev.stack import Stack
from agent.identity import TokenEndpoint
from agent.recording.job import RecordingResult, record_session
from agent.recording.recorder import Recorder, RecordingOptions
from agent.room import AudioOptions, VideoOptions
from agent.rtc.room import RtcRoom
from agent.session import Session, joined
from agent.tracks.pattern import Pattern, source_id
from agent.tracks.publication import play
from agent.tracks.tone import Tone

BOT = "roomcast"
SIZE = (640, 360)
FPS = 25
TONE_AMPLITUDE, BEEP_AMPLITUDE = 0.02, 0.2  # to be heard by people, not only by machines


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
    stack: Stack,
    options: DemoOptions,
    *,
    stop: asyncio.Event,
    started: Callable[[Recorder], None],
) -> RecordingResult:
    """Let the bot join with an identity from the token server, publish, and record.

    Args:
        stack: What to run on.
        options: What to show.
        stop: Set to end it.
        started: Called when the bot is in the room and records.

    Raises:
        ServiceError: If the bot can't join.
        UsageError: If recordings can't be written.
    """
    clock = LoopClock()
    access = TokenEndpoint(
        stack.tokens.token_url, options.room, BOT, key=stack.tokens.bot_key, role="bot"
    )
    recording = RecordingOptions(seconds=options.seconds, until_empty_s=None)
    async with joined(lambda: RtcRoom(clock, dynacast=True), access, clock=clock) as session:
        async with _publishing(session, clock), _guests(stack, options):
            return await record_session(
                session, options.out, recording, clock=clock, stop=stop, started=started
            )
