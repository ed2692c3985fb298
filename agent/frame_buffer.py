"""The hand-over from the media thread, which never waits, to a reader, which may be slow."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


def _one(_item: object) -> int:
    return 1


class FrameBuffer(Generic[T]):
    """A bounded queue that drops its oldest item when full, and counts it.

    Written from any thread, read by one task of the loop it was made on. The newest item is
    always kept, even one that is heavier than ``limit`` alone.

    Attributes:
        dropped: Number of items that made room for newer ones.
    """

    def __init__(self, limit: int, *, weigh: Callable[[T], int] = _one) -> None:
        """Keep items up to a total weight of ``limit``; ``weigh`` defaults to one each."""
        self.dropped = 0
        self._limit = limit
        self._weigh = weigh
        self._items: deque[T] = deque()
        self._weight = 0
        self._lock = Lock()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._waking = False
        self._closed = False

    def put(self, item: T) -> None:
        """Add ``item``; never blocks. After :meth:`close` it is ignored."""
        with self._lock:
            if self._closed:
                return
            self._items.append(item)
            self._weight += self._weigh(item)
            while self._weight > self._limit and len(self._items) > 1:
                self._weight -= self._weigh(self._items.popleft())
                self.dropped += 1
            wake = not self._waking
            self._waking = True
        if wake:
            self._wake()

    def close(self) -> None:
        """End the stream: the reader gets what is buffered, then stops. Idempotent."""
        with self._lock:
            self._closed = True
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, just now perhaps: nobody reads
            self._loop.call_soon_threadsafe(self._changed.set)

    def _take(self) -> tuple[list[T], bool]:
        """Return the oldest item, if there is one, and whether no further will come."""
        with self._lock:
            self._waking = False
            if not self._items:
                return [], self._closed
            item = self._items.popleft()
            self._weight -= self._weigh(item)
            return [item], False

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            self._changed.clear()
            taken, ended = self._take()
            for item in taken:
                yield item
            if ended:
                return
            if not taken:
                await self._changed.wait()
