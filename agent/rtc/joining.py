"""Entering and leaving a room with an SDK that must not be interrupted while it does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from livekit import rtc

from agent.errors import JoinError
from agent.redaction import without_secrets
from agent.room import Access
from agent.rtc import translation

LEAVE_TIMEOUT_S = 5.0
"""How long the SDK may take to say goodbye before it is left to itself."""


class TokenFilter(logging.Filter):
    """Takes tokens out of the SDK's log: the SFU quotes those it refuses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without tokens."""
        text = record.getMessage()
        clean = without_secrets(text)
        if clean != text:
            record.msg = clean
            record.args = ()
        return True


_TOKEN_FILTER = TokenFilter()


def protect_tokens() -> None:
    """Keep tokens out of the SDK's log. Idempotent."""
    logging.getLogger("livekit").addFilter(_TOKEN_FILTER)


class Joining:
    """One attempt to join, which goes on to its end even if nobody waits for it any more.

    Cancelling the SDK's ``connect`` kills the process 15 s later and leaves the participant in
    the room meanwhile. So an attempt that is given up runs on, and is undone when it is done.
    """

    def __init__(self, sdk: rtc.Room, on_joined: Callable[[], None]) -> None:
        self._sdk = sdk
        self._on_joined = on_joined
        self._undoing: asyncio.Task[None] | None = None

    async def join(self, access: Access, options: rtc.RoomOptions, timeout_s: float) -> None:
        """Join.

        Raises:
            JoinError: If that fails, or takes longer than ``timeout_s``.
        """
        room = translation.room_of(access.token)
        attempt = asyncio.create_task(self._connect(access, options), name="rtc-connect")
        try:
            await asyncio.wait({attempt}, timeout=timeout_s)
        except asyncio.CancelledError:
            self._give_up(attempt)
            raise
        if not attempt.done():
            self._give_up(attempt)
            reason = f"the server did not answer within {timeout_s:g} s"
            raise JoinError(room, access.url, reason)
        error = attempt.exception()
        if isinstance(error, rtc.ConnectError):
            reason, retry = translation.refusal(error.message)
            raise JoinError(room, access.url, reason, retry=retry) from None
        if error is not None:
            raise error

    async def undone(self, timeout_s: float) -> None:
        """Wait until an attempt that was given up is undone; not longer than ``timeout_s``."""
        if self._undoing is not None:
            await asyncio.wait({self._undoing}, timeout=timeout_s)

    async def _connect(self, access: Access, options: rtc.RoomOptions) -> None:
        await self._sdk.connect(access.url, access.token, options)
        # In the same step of the loop: no event of the room is handled before.
        self._on_joined()

    def _give_up(self, attempt: asyncio.Task[None]) -> None:
        self._undoing = asyncio.create_task(self._undo(attempt), name="rtc-undo-connect")

    async def _undo(self, attempt: asyncio.Task[None]) -> None:
        await asyncio.wait({attempt})
        error = attempt.exception()
        if error is None:
            await leave(self._sdk)
        elif not isinstance(error, rtc.ConnectError):
            raise error


async def leave(sdk: rtc.Room) -> None:
    """Disconnect, in bounded time."""
    await bounded(sdk.disconnect(), LEAVE_TIMEOUT_S)


async def bounded(work: Awaitable[None], timeout_s: float) -> bool:
    """Await ``work`` for at most ``timeout_s``; return whether it ended by itself."""
    try:
        async with asyncio.timeout(timeout_s):
            await work
    except TimeoutError:
        return False
    return True
