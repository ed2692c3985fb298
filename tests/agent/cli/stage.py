"""A world in memory for commands to run in, with guests as a test wants them."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner

from agent.cli.app import app
from agent.cli.surroundings import Surroundings
from agent.clock import LoopClock
from agent.config import Connection
from agent.errors import AccessError
from agent.identity import AccessSource
from agent.room import Access, AudioOptions, Participant, Room, VideoOptions
from agent.tracks.pattern import Pattern
from agent.tracks.publication import Playback
from agent.tracks.tone import Tone
from tests.fake_room import FakeRoom, FakeSfu, Grant

ENVIRONMENT = {
    "LIVEKIT_URL": "ws://fake",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "canary-secret-canary-secret-canary",
}

Guest = Callable[["Stage", FakeRoom], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON is anything
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Tokens:
    sfu: FakeSfu
    identity: str
    refusal: AccessError | None

    async def access(self) -> Access:
        if self.refusal:
            raise self.refusal
        return self.sfu.access(Grant(self.identity))


@dataclass
class Stage:
    """One room in an SFU in memory.

    Attributes:
        environment: Of the commands.
        refusal: Of the token endpoint.
        guests: Join, by identity, when the command's first connection is made.
        joined: Identities that asked for a token.
        recorders: Those of them who asked for that of a recorder.
        rooms: The connections that commands made.
    """

    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    refusal: AccessError | None = None
    guests: dict[str, Guest] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    recorders: list[str] = field(default_factory=list)
    rooms: list[FakeRoom] = field(default_factory=list)
    sfu: FakeSfu = field(default_factory=lambda: FakeSfu(LoopClock()))
    _running: list[asyncio.Task[None]] = field(default_factory=list)
    _on_room: list[Callable[[], None]] = field(default_factory=list)

    def run(self, *arguments: object) -> Ended:
        """Run ``roomcast ARGUMENTS``.

        Raises:
            Exception: What the command raised and didn't foresee.
        """
        surroundings = Surroundings(self.environment, lambda: self._room, self._accesses)
        runner = CliRunner(env={"COLUMNS": "120", "TERM": "dumb"})
        result = runner.invoke(app, [str(it) for it in arguments], obj=surroundings)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def when_a_room_is_made(self, call: Callable[[], None]) -> None:
        """Call ``call`` in the step after each connection that a command makes."""
        self._on_room.append(call)

    def present(self) -> list[Participant]:
        return [room.participant for room in self.rooms if not room.ended]

    def _room(self) -> Room:
        if not self.rooms:
            self._running = [
                asyncio.get_running_loop().create_task(self._attend(identity, guest))
                for identity, guest in self.guests.items()
            ]
        for call in self._on_room:
            asyncio.get_running_loop().call_soon(call)
        room = FakeRoom(self.sfu, "demo")
        self.rooms.append(room)
        return room

    def _accesses(
        self, _connection: Connection, _room: str, identity: str, recorder: bool
    ) -> AccessSource:
        self.recorders += [identity] if recorder else []
        self.joined.append(identity)
        return Tokens(self.sfu, identity, self.refusal)

    async def _attend(self, identity: str, guest: Guest) -> None:
        room = FakeRoom(self.sfu, "demo")
        await room.connect(self.sfu.access(Grant(identity)), timeout_s=5)
        await guest(self, room)


async def shows_bars(_stage: Stage, room: FakeRoom, *, seconds: float = 60) -> None:
    """Publish pictures and a tone for so long, or until the command ends."""
    video = await room.publish_video(VideoOptions(160, 96))
    audio = await room.publish_audio(AudioOptions())
    playback = Playback(room.sfu.clock, video=(Pattern(160, 96, 25), video), audio=(Tone(), audio))
    loop = asyncio.get_running_loop()
    ending = loop.call_later(seconds, playback.stop)
    await playback.run(room.sfu.clock.now())
    ending.cancel()
