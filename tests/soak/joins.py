"""Joins and leaves in one process, with a publisher in the room: what stays behind of each."""

import asyncio
import gc
import os
import tempfile
import threading
import time
from pathlib import Path

from agent.dev.sfu import Sfu
from agent.dev.sfu_binary import obtain_sfu
from agent.identity import ApiKey
from agent.room import AudioOptions, VideoOptions
from agent.rtc.room import RtcRoom
from tests.contract.observer import observed, playing, showing, take

TIMES = 50
WARM_UP = 3
"""The SDK's own threads and pools come with the first joins and stay."""

PLENTY = 10_000_000


def run(times: int = TIMES) -> dict[str, object]:
    """Join and leave ``times`` times, each time receiving sound and pictures."""
    with tempfile.TemporaryDirectory(prefix="roomcast-soak-") as scratch:
        log = Path(scratch) / "sfu.log"
        with Sfu(obtain_sfu(print), port=0, udp_port=0, log=log) as sfu:
            return asyncio.run(visit(sfu, "joins", times))


async def visit(sfu: Sfu, room_name: str, times: int) -> dict[str, object]:
    """Do so in ``room_name`` of a server that runs."""
    ann = RtcRoom()
    await ann.connect(await _key(sfu, room_name, "ann").access(), timeout_s=10)
    async with (
        observed(ann),
        showing(await ann.publish_video(VideoOptions(320, 180)), size=(320, 180)),
        playing(await ann.publish_audio(AudioOptions())),
    ):
        for _ in range(WARM_UP):
            await _join_and_leave(sfu, room_name)
        before = await _settled()
        for _ in range(times):
            await _join_and_leave(sfu, room_name)
        after = await _settled(before)
    left = {name: after[name] - before[name] for name in ("threads", "native", "files", "tasks")}
    return {
        "passed": all(number <= 0 for number in left.values()),
        "joins": times,
        "left": left,
        "rss_mb_per_join": round((after["rss_kb"] - before["rss_kb"]) / 1024 / times, 2),
    }


async def _join_and_leave(sfu: Sfu, room_name: str) -> None:
    bob = RtcRoom()
    await bob.connect(await _key(sfu, room_name, "bob").access(), timeout_s=10)
    async with observed(bob) as seen:
        for number in (1, 2):
            track = (await seen.subscribed(number)).track
            await take(track.open(keep_bytes=PLENTY), 3)


async def _settled(before: dict[str, int] | None = None) -> dict[str, int]:
    """Return what the process holds, once it holds no more than ``before`` or 10 s are over."""
    deadline = time.monotonic() + 10
    while True:
        gc.collect()
        now = _held()
        if before is not None and (
            all(now[name] <= before[name] for name in before if name != "rss_kb")
            or time.monotonic() > deadline
        ):
            return now
        await asyncio.sleep(0.5)
        if before is None:
            return _held()


def _held() -> dict[str, int]:
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "threads": threading.active_count() - _dummies(),
        "native": int(fields["Threads"]),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - only their number
        "tasks": len(asyncio.all_tasks()),
        "rss_kb": int(fields["VmRSS"].split()[0]),
    }


def _dummies() -> int:
    """Return how many are the SDK's own, which Python counts once they have logged a line."""
    return sum(isinstance(thread, threading._DummyThread) for thread in threading.enumerate())


def _key(sfu: Sfu, room_name: str, identity: str) -> ApiKey:
    return ApiKey(sfu.url, room_name, identity, sfu.api_key, sfu.api_secret)
