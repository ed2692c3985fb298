"""Recordings on real SFUs that are interrupted, in each way there is, and go on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from livekit.rtc import SimulateScenarioKind

from agent.clock import LoopClock
from agent.dev.ports import choose_port
from agent.dev.sfu import Sfu, running_sfu
from agent.dev.token_server import DevTokenServer, running_token_server
from agent.errors import AccessError
from agent.identity import TokenEndpoint
from agent.room import Access
from agent.rtc.room import RtcRoom
from tests.e2e.guest import Guest, guest
from tests.e2e.recorded import Recorded
from tests.e2e.take import Take, recording
from tests.waiting import soon

SIZE, FPS = (320, 180), 10
BEFORE_S, AFTER_S = 3.0, 4.0
"""The jitter buffer of a new connection stretches the first second of sound, and a stretched beep
is none: some have to come after it."""
DOWN_S = 3.0
DRAIN_S = 0.1
BACK_WITHIN_S = 40.0

APART_S = 2.0
"""From the start of one to the start of the next: joining is what costs."""

Cause = Callable[[], Awaitable[float]]
"""Brings the outage about, waits until its cause is gone, returns when it struck."""


@dataclass
class Outage:
    """A recording with an interruption in it.

    Attributes:
        began: When it began, on the event loop's clock.
        over: When its cause was gone.
        refusals: Tokens that were asked for in vain.
    """

    recorded: Recorded
    ann: Guest
    began: float
    over: float
    refusals: int = 0


async def suffer_all(sfu: Sfu, binary: Path, place: Path) -> dict[str, Outage]:
    """Let everything that can interrupt a recording happen, each to one of its own."""
    acts = {
        "sfu and token server restart": _both_restart(binary, place / "restart"),
        "sfu crashes": _sfu_crashes(binary, place / "crash"),
        "recorder reconnects": _recorder_reconnects(sfu, place / "recorder"),
        "publisher reconnects": _publisher_reconnects(sfu, place / "publisher"),
    }
    outages = {}

    async def suffer(name: str, act: Awaitable[Outage]) -> None:
        outages[name] = await act

    async with asyncio.TaskGroup() as tasks:
        for name, act in acts.items():
            tasks.create_task(suffer(name, act), name=name)
            await asyncio.sleep(APART_S)
    return outages


async def _recorder_reconnects(sfu: Sfu, out: Path) -> Outage:
    async with guest(sfu, out.name) as ann:
        async with recording(sfu, out.name, out) as take:
            times = await _interrupted(take, ann, lambda: _reconnect(take.rooms[-1]))
        return Outage(take.recorded(), ann, *times)


async def _publisher_reconnects(sfu: Sfu, out: Path) -> Outage:
    async with guest(sfu, out.name) as ann:
        async with recording(sfu, out.name, out) as take:
            times = await _interrupted(take, ann, lambda: _reconnect(ann.rooms[-1]))
        return Outage(take.recorded(), ann, *times)


async def _sfu_crashes(binary: Path, out: Path) -> Outage:
    await asyncio.to_thread(out.mkdir)
    async with running_sfu(binary, port=0, udp_port=0, log=out / "sfu.log") as sfu:

        async def crash() -> float:
            struck = LoopClock().now()
            await asyncio.to_thread(sfu.kill)
            await asyncio.sleep(DOWN_S)
            await asyncio.to_thread(sfu.start)
            return struck

        async with guest(sfu, out.name) as ann:
            async with recording(sfu, out.name, out) as take:
                times = await _interrupted(take, ann, crash)
            return Outage(take.recorded(), ann, *times)


async def _both_restart(binary: Path, out: Path) -> Outage:
    """Stop both as an operator would; the SFU is back first."""
    await asyncio.to_thread(out.mkdir)
    async with running_sfu(binary, port=0, udp_port=0, log=out / "sfu.log") as sfu:
        server = _RestartedTokenServer(sfu)

        async def restart() -> float:
            await server.stop()
            struck = LoopClock().now() + DRAIN_S
            await asyncio.to_thread(sfu.stop, drain_s=DRAIN_S)
            await asyncio.sleep(DOWN_S / 2)
            await asyncio.to_thread(sfu.start)
            refused = server.refusals
            await soon(lambda: server.refusals >= refused + 2, "both have asked in vain again")
            await server.start()
            return struck

        try:
            await server.start()
            async with guest(sfu, out.name, accesses=server.accesses(out.name, "ann")) as ann:
                async with recording(
                    sfu, out.name, out, accesses=lambda who: server.accesses(out.name, who, "bot")
                ) as take:
                    times = await _interrupted(take, ann, restart)
                return Outage(take.recorded(), ann, *times, refusals=server.refusals)
        finally:
            await server.stop()


async def _interrupted(take: Take, ann: Guest, cause: Cause) -> tuple[float, float]:
    """Let ann publish and the recording run, be interrupted, and run again."""
    clock = LoopClock()
    await ann.publish(size=SIZE, fps=FPS)
    await soon(lambda: _pictures_and_sound(take), "pictures and sound are recorded")
    await asyncio.sleep(BEFORE_S)
    began = await cause()
    over = clock.now()
    await soon(lambda: take.gaps >= 2, "it goes on after a gap", within_s=BACK_WITHIN_S)
    await asyncio.sleep(AFTER_S)
    return began, over


def _pictures_and_sound(take: Take) -> bool:
    return take.progress is not None and len(take.progress.tracks.get("ann", ())) == 2


async def _reconnect(room: RtcRoom) -> float:
    struck = LoopClock().now()
    await room._sdk.simulate_scenario(SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
    return struck


class _RestartedTokenServer:
    """A token server at one address; each of its runs has another key for bots.

    Attributes:
        refusals: How often it was asked in vain.
    """

    def __init__(self, sfu: Sfu) -> None:
        self.refusals = 0
        self._sfu = sfu
        self._port = choose_port(0, 0)
        self._running = AsyncExitStack()
        self._now: DevTokenServer | None = None

    async def start(self) -> None:
        log = self._sfu.log.with_name("tokens.log")
        self._now = await self._running.enter_async_context(
            running_token_server(self._sfu, port=self._port, log=log)
        )

    async def stop(self) -> None:
        """End it. Idempotent."""
        await self._running.aclose()

    async def access(self, room: str, identity: str, role: str) -> Access:
        """Ask the one that runs now, or ran last.

        Raises:
            AccessError: If there is none.
        """
        assert self._now is not None
        key = self._now.bot_key if role else ""
        endpoint = TokenEndpoint(self._now.token_url, room, identity, key=key, role=role)
        try:
            return await endpoint.access()
        except AccessError:
            self.refusals += 1
            raise

    def accesses(self, room: str, identity: str, role: str = "") -> "_Asking":
        """Return where ``identity`` gets its tokens."""
        return _Asking(self, room, identity, role)


@dataclass(frozen=True)
class _Asking:
    server: _RestartedTokenServer
    room: str
    identity: str
    role: str

    async def access(self) -> Access:
        return await self.server.access(self.room, self.identity, self.role)
