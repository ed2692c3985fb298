import asyncio
import threading

import pytest

from agent.rtc.media_loop import MediaLoop


def media_threads() -> int:
    return sum(thread.name == "media-loop" for thread in threading.enumerate())


async def test_it_runs_beside_a_loop_that_is_blocked() -> None:
    ran = threading.Event()

    async def work() -> None:
        ran.set()

    task = MediaLoop().run(work)
    assert ran.wait(5)  # blocks this loop
    assert await task.wait(5)


async def test_the_thread_ends_with_the_last_task_and_comes_back() -> None:
    loop = MediaLoop()
    before = media_threads()

    for _ in range(3):
        tasks = [loop.run(_forever) for _ in range(3)]
        assert media_threads() == before + 1
        for task in tasks:
            task.cancel()
        assert all([await task.wait(5) for task in tasks])


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_cancelled_before_it_began_ends() -> None:
    task = MediaLoop().run(_forever)
    task.cancel()
    task.cancel()

    assert await task.wait(5)


async def test_a_task_is_cancelled_with_its_cleanup() -> None:
    cleaned = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    task = MediaLoop().run(work)
    assert not await task.wait(0.05)
    task.cancel()

    assert await task.wait(5)
    assert cleaned.is_set()


async def test_a_bug_in_a_task_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise LookupError("here")

    task = MediaLoop().run(broken)

    assert await task.wait(5)
    assert "a media stream broke" in caplog.text
    assert "LookupError: here" in caplog.text
