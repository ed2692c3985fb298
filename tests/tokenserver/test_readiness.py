import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from tokenserver.readiness import SfuProbe


class Sfu:
    """An SFU's health endpoint that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200

    async def health(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.status == 302:
            raise web.HTTPFound("/")
        return web.Response(status=self.status)


class Seconds:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def sfu() -> Sfu:
    return Sfu()


@pytest.fixture
async def probe(sfu: Sfu, seconds: Seconds) -> AsyncIterator[SfuProbe]:
    app = web.Application()
    app.router.add_get("/", sfu.health)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield SfuProbe(session, f"ws://127.0.0.1:{server.port}", seconds)


async def test_an_sfu_that_answers_is_reachable(probe: SfuProbe) -> None:
    assert await probe.is_reachable()


@pytest.mark.parametrize("status", [406, 500, 302])
async def test_an_sfu_that_is_not_well_is_not(probe: SfuProbe, sfu: Sfu, status: int) -> None:
    sfu.status = status

    assert not await probe.is_reachable()


async def test_many_questions_at_once_are_one_to_the_sfu(probe: SfuProbe, sfu: Sfu) -> None:
    answers = await asyncio.gather(*(probe.is_reachable() for _ in range(20)))

    assert all(answers)
    assert sfu.asked == 1


async def test_an_answer_is_kept_for_two_seconds(
    probe: SfuProbe, sfu: Sfu, seconds: Seconds
) -> None:
    assert await probe.is_reachable()
    sfu.status = 500
    seconds.now += 1.9
    assert await probe.is_reachable()
    seconds.now += 0.1
    assert not await probe.is_reachable()


async def test_a_port_where_nobody_listens_is_not_reachable() -> None:
    async with aiohttp.ClientSession() as session:
        assert not await SfuProbe(session, f"ws://127.0.0.1:{unused_port()}").is_reachable()
