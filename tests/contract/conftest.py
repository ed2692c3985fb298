import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from agent.dev.sfu import Sfu
from agent.dev.sfu_binary import obtain_sfu
from agent.room import VideoOptions
from tests.contract.observer import observed, showing, take
from tests.contract.worlds import FakeWorld, RtcWorld, World


@pytest.fixture(scope="session", params=["fake", pytest.param("rtc", marks=pytest.mark.e2e)])
def sfu(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sfu | None]:
    """Run a real SFU for the worlds that need one."""
    if request.param == "fake":
        yield None
        return
    log = tmp_path_factory.mktemp("contract") / "sfu.log"
    sfu = Sfu(obtain_sfu(lambda _: None), port=0, udp_port=0, log=log)
    sfu.start()
    try:
        asyncio.run(_first_visit(sfu))
        yield sfu
    finally:
        sfu.stop(drain_s=0)


async def _first_visit(sfu: Sfu) -> None:
    """Make the SDK start what it never ends: threads and a pipe, once a track was received."""
    world = RtcWorld(sfu)
    ann, bob = world.room(), world.room()
    await ann.connect(world.access("ann"), timeout_s=10)
    await bob.connect(world.access("bob"), timeout_s=10)
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(VideoOptions(160, 96))
        stream = (await seen.subscribed()).track.open(keep_bytes=1_000_000)
        async with showing(publication):
            await take(stream, 1)
    await world.aclose()


@pytest.fixture
async def world(sfu: Sfu | None) -> AsyncIterator[World]:
    found: World = FakeWorld() if sfu is None else RtcWorld(sfu)
    yield found
    await found.aclose()
