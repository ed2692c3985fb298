"""Stand-ins for what a test must not wait for or connect to."""

import asyncio
import heapq
import itertools


class ManualClock:
    """A clock that moves only when told to, waking sleepers in order of their deadlines."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    async def sleep_until(self, deadline: float) -> None:
        if deadline > self._now:
            wake = asyncio.Event()
            heapq.heappush(self._sleepers, (deadline, next(self._order), wake))
            await wake.wait()

    async def advance(self, seconds: float) -> None:
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, wake = heapq.heappop(self._sleepers)
            wake.set()
            await settle()
        self._now = end
        await settle()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)
