"""A meeting on a real SFU in which everybody does something else, recorded by two processes."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from livekit import api

from agent.clock import LoopClock
from agent.dev.sfu import Sfu
from agent.recording.folder import recordings_in
from agent.room import ParticipantLeft, Source
from tests.e2e.guest import Guest, guest
from tests.e2e.recorded import Recorded
from tests.roomcast_process import finish, roomcast
from tests.waiting import soon

ROOM = "../grüße 🎥"
ONLY_BOB = ("--include", "b*", "--source", "microphone")
SECONDS = 7.0
SMALL, SMALL_FPS = (320, 180), 15
SCREEN_SIZE, SCREEN_FPS = (480, 272), 5


@dataclass
class Meeting:
    """What happened.

    Attributes:
        recorded: Everyone but ``zed``.
        other: Only bob's microphone, made at the same time, into the same folder.
        exit_codes: Of the two recorders.
        guests: By identity; dan's is that of his second stay.
        deeds: When what was done, on the event loop's clock.
        shown_as_recorded: Whether the SFU said so of the room before, while and after.
    """

    recorded: Recorded
    other: Recorded
    exit_codes: list[int]
    guests: dict[str, Guest]
    deeds: dict[str, float]
    shown_as_recorded: dict[str, bool]


class Stage:
    """Where those who act find each other.

    Attributes:
        entered: Passed once everybody is there and both recorders are.
        over: Set once both recorders have ended.
    """

    def __init__(self, sfu: Sfu, acts: int) -> None:
        self.entered = asyncio.Barrier(acts + 1)
        self.over = asyncio.Event()
        self.guests: dict[str, Guest] = {}
        self.deeds: dict[str, float] = {}
        self._sfu = sfu
        self._clock = LoopClock()
        self._start = 0.0

    def join(self, who: str, *, epoch: float | None = None) -> AbstractAsyncContextManager[Guest]:
        """Let ``who`` join for as long as the block takes."""
        return guest(self._sfu, ROOM, who, epoch=epoch)

    async def enter(self, who: str, person: Guest) -> None:
        """Wait for everybody else, as ``who`` publishes."""
        self.guests[who] = person
        await self.entered.wait()
        self._start = self._clock.now()

    async def has(self, number: int) -> None:
        """Wait until so many have entered."""
        await soon(lambda: self.entered.n_waiting == number, f"{number} have entered")

    async def at(self, seconds: float) -> None:
        """Wait until so long after everybody was there."""
        await self._clock.sleep_until(self._start + seconds)

    def note(self, deed: str, at: float | None = None) -> None:
        """Take note of when something was done; now, if no time is given."""
        self.deeds[deed] = self._clock.now() if at is None else at


async def hold_meeting(sfu: Sfu, out: Path) -> Meeting:
    """Let all of it happen once."""
    acts = (_mutes, _republishes, _comes_back, _adds_camera, _is_left_out)
    stage = Stage(sfu, len(acts))
    record = ("record", ROOM, "-o", out, "--json")
    async with guest(sfu, ROOM, "watcher") as watcher, asyncio.TaskGroup() as tasks:
        stage.guests["watcher"] = watcher
        shown = {"before": await _is_shown_as_recorded(sfu)}
        for entered, act in enumerate(acts, 1):  # one by one: it is joining that stalls a loop
            tasks.create_task(act(stage), name=act.__name__)
            await stage.has(entered)
        with (
            roomcast(sfu, *record, "--exclude", "z*", log=out / "everyone.log") as everyone,
            roomcast(sfu, *record, *ONLY_BOB, log=out / "only-bob.log") as only_bob,
        ):
            await soon(lambda: len(list(recordings_in(out))) == 2, "both recorders are there")
            await stage.entered.wait()
            await asyncio.sleep(SECONDS)
            shown["while"] = await _is_shown_as_recorded(sfu)
            ends = await asyncio.gather(
                asyncio.to_thread(finish, everyone), asyncio.to_thread(finish, only_bob)
            )
        stage.over.set()
        await soon(lambda: _number_left(watcher) == 2, "both recorders have left")
        shown["after"] = await _is_shown_as_recorded(sfu)
    recorded, other = (Recorded(Path(json.loads(printed)["folder"])) for _, printed in ends)
    codes = [code for code, _ in ends]
    return Meeting(recorded, other, codes, stage.guests, stage.deeds, shown)


async def _mutes(stage: Stage) -> None:
    async with stage.join("bob") as bob:
        await bob.publish(size=SMALL, frequency=500)
        await stage.enter("bob", bob)
        for at_s, what, source, muted in (
            (2.0, "bob mutes his camera", Source.CAMERA, True),
            (2.4, "bob mutes his microphone", Source.MICROPHONE, True),
            (4.3, "bob unmutes his camera", Source.CAMERA, False),
            (4.7, "bob unmutes his microphone", Source.MICROPHONE, False),
        ):
            await stage.at(at_s)
            stage.note(what, await bob.set_muted(source, muted=muted))
        await stage.over.wait()


async def _republishes(stage: Stage) -> None:
    async with stage.join("cleo") as cleo:
        await cleo.publish(size=SMALL, fps=SMALL_FPS, frequency=600)
        await stage.enter("cleo", cleo)
        await stage.at(2.2)
        stage.note("cleo unpublishes", await cleo.unpublish())
        stage.note("cleo has unpublished")
        await stage.at(4.2)
        await cleo.publish(size=SMALL, fps=SMALL_FPS, frequency=600)
        await stage.over.wait()


async def _comes_back(stage: Stage) -> None:
    async with stage.join("dan") as dan:
        await dan.publish(size=SMALL, fps=SMALL_FPS, frequency=700)
        await stage.enter("dan", dan)
        await stage.at(1.8)
        stage.note("dan leaves")
    stage.note("dan has left")
    sent, epoch = dan.sent, dan.epoch
    await stage.at(4.0)
    async with stage.join("dan", epoch=epoch) as dan:
        stage.guests["dan"] = dan
        dan.sent |= sent
        await dan.publish(size=SMALL, fps=SMALL_FPS, frequency=700)
        await stage.over.wait()


async def _adds_camera(stage: Stage) -> None:
    async with stage.join("eve") as eve:
        await eve.publish(video=False, frequency=800)
        await stage.enter("eve", eve)
        await stage.at(3.1)
        stage.note("eve adds her camera", await eve.publish(audio=False, size=SMALL, fps=SMALL_FPS))
        await stage.at(3.6)
        await eve.share_screen(size=SCREEN_SIZE, fps=SCREEN_FPS)
        await stage.over.wait()


async def _is_left_out(stage: Stage) -> None:
    async with stage.join("zed") as zed:
        await zed.publish(video=False)
        await stage.enter("zed", zed)
        await stage.at(3.0)


async def _is_shown_as_recorded(sfu: Sfu) -> bool:
    url = sfu.url.replace("ws:", "http:")
    async with api.LiveKitAPI(url, sfu.api_key, sfu.api_secret) as service:
        answer = await service.room.list_rooms(api.ListRoomsRequest(names=[ROOM]))
        [room] = answer.rooms
        return room.active_recording


def _number_left(watcher: Guest) -> int:
    return sum(
        isinstance(event, ParticipantLeft) and event.participant.identity.startswith("rec-")
        for event in watcher.events
    )
