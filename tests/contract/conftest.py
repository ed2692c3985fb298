import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from agent.dev.sfu import Sfu
from agent.dev.sfu_binary import obtain_sfu
from tests.contract.worlds import FakeWorld, RtcWorld, World
from tests.native_runtime import use_native_runtime


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
        asyncio.run(use_native_runtime(sfu))
        yield sfu
    finally:
        sfu.stop(drain_s=0)


@pytest.fixture
async def world(sfu: Sfu | None) -> AsyncIterator[World]:
    found: World = FakeWorld() if sfu is None else RtcWorld(sfu)
    yield found
    await found.aclose()
