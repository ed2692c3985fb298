"""Where the SDK's callbacks put what happened, and the one reader takes it from."""

import asyncio
from collections.abc import AsyncIterator, Callable

from agent.room import Ended, RoomEvent

LIMIT = 10_000
"""Events that may wait. A room of a hundred that all come at once makes a thousand."""


class Inbox:
    """An ordered, bounded queue of events that ends with :class:`~agent.room.Ended`.

    To leave one out would leave the reader with a wrong picture of the room for good. So a
    reader that falls too far behind loses the connection instead.
    """

    def __init__(self, on_overflow: Callable[[], None], limit: int = LIMIT) -> None:
        self._on_overflow = on_overflow
        self._limit = limit
        self._events: asyncio.Queue[RoomEvent] = asyncio.Queue(maxsize=limit + 1)
        self._ended = False
        self._overflowing = False

    @property
    def ended(self) -> bool:
        """Whether the last event is in it."""
        return self._ended

    def put(self, event: RoomEvent) -> None:
        """Add ``event``; after the end it is ignored. Never blocks."""
        if self._ended:
            return
        if isinstance(event, Ended):
            self._ended = True
            self._events.put_nowait(event)  # there is always room for this one
        elif self._overflowing:
            return
        elif self._events.qsize() >= self._limit:
            self._overflowing = True
            self._on_overflow()
        else:
            self._events.put_nowait(event)

    async def __aiter__(self) -> AsyncIterator[RoomEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, Ended):
                return
