"""A meeting on a real SFU in which everybody does something else, recorded by two processes."""

import asyncio
import json
from dataclasses import dataclass, field
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
SECONDS = 8.0
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


@dataclass
class Stage:
    """Where those who act find each other."""

    sfu: Sfu
    guests: dict[str, Guest] = field(default_factory=dict)
    deeds: dict[str, float] = field(default_factory=dict)
    start: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def at(self, seconds: float) -> None:
        """Wait until so long after the start of the meeting."""
        await LoopClock().sleep_until(self.start + seconds)


async def hold_meeting(sfu: Sfu, out: Path) -> Meeting:
    """Let all of it happen once."""
    stage = Stage(sfu)
    record = ("record", ROOM, "-o", out, "--json")
    async with guest(sfu, ROOM, "watcher") as watcher:
        stage.guests["watcher"] = watcher
        shown = {"before": await _is_shown_as_recorded(sfu)}
        with (
            roomcast(sfu, *record, "--exclude", "z*", log=out / "everyone.log") as everyone,
            roomcast(sfu, *record, *ONLY_BOB, log=out / "only-bob.log") as only_bob,
        ):
            await soon(lambda: len(list(recordings_in(out))) == 2, "both recorders are there")
            stage.start = LoopClock().now()
            async with asyncio.TaskGroup() as tasks:
                for act in (_mutes, _republishes, _comes_back, _adds_camera, _is_left_out):
                    tasks.create_task(act(stage), name=act.__name__)
                await stage.at(SECONDS)
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
    async with guest(stage.sfu, ROOM, "bob") as bob:
        stage.guests["bob"] = bob
        await bob.publish(size=SMALL, fps=SMALL_FPS, frequency=500)
        await stage.at(3.0)
        stage.deeds["bob mutes his camera"] = await bob.set_muted(Source.CAMERA, muted=True)
        await stage.at(3.4)
        stage.deeds["bob mutes his microphone"] = await bob.set_muted(Source.MICROPHONE, muted=True)
        await stage.at(5.3)
        stage.deeds["bob unmutes his camera"] = await bob.set_muted(Source.CAMERA, muted=False)
        await stage.at(5.7)
        stage.deeds["bob unmutes his microphone"] = await bob.set_muted(
            Source.MICROPHONE, muted=False
        )
        await stage.over.wait()


async def _republishes(stage: Stage) -> None:
    async with guest(stage.sfu, ROOM, "cleo") as cleo:
        stage.guests["cleo"] = cleo
        await cleo.publish(size=SMALL, fps=SMALL_FPS, frequency=600)
        await stage.at(3.2)
        stage.deeds["cleo unpublishes"] = await cleo.unpublish()
        stage.deeds["cleo has unpublished"] = LoopClock().now()
        await stage.at(5.2)
        stage.deeds["cleo publishes again"] = await cleo.publish(
            size=SMALL, fps=SMALL_FPS, frequency=600
        )
        await stage.over.wait()


async def _comes_back(stage: Stage) -> None:
    async with guest(stage.sfu, ROOM, "dan") as dan:
        await dan.publish(size=SMALL, fps=SMALL_FPS, frequency=700)
        await stage.at(2.8)
        stage.deeds["dan leaves"] = LoopClock().now()
    stage.deeds["dan has left"] = LoopClock().now()
    sent, epoch = dan.sent, dan.epoch
    await stage.at(5.5)
    async with guest(stage.sfu, ROOM, "dan", epoch=epoch) as dan:
        stage.guests["dan"] = dan
        dan.sent |= sent
        stage.deeds["dan publishes again"] = await dan.publish(
            size=SMALL, fps=SMALL_FPS, frequency=700
        )
        await stage.over.wait()


async def _adds_camera(stage: Stage) -> None:
    async with guest(stage.sfu, ROOM, "eve") as eve:
        stage.guests["eve"] = eve
        await eve.publish(video=False, frequency=800)
        await stage.at(3.1)
        stage.deeds["eve adds her camera"] = await eve.publish(
            audio=False, size=SMALL, fps=SMALL_FPS
        )
        await stage.at(4.1)
        await eve.share_screen(size=SCREEN_SIZE, fps=SCREEN_FPS)
        await stage.over.wait()


async def _is_left_out(stage: Stage) -> None:
    async with guest(stage.sfu, ROOM, "zed") as zed:
        await zed.publish(video=False)
        await stage.at(5.0)


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
