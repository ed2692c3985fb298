"""Ctrl-C and SIGTERM: once ends well, twice ends now."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import NoReturn

from agent.cli.exit_codes import LEFT_AT_ONCE

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2
_SHOW_CURSOR = b"\x1b[?25h"
_LEFT = b"\nroomcast: left at once; `roomcast recover` finishes what was being recorded\n"


@contextmanager
def on_signal(first: Callable[[], None]) -> Generator[None]:
    """Call ``first`` on the first signal, between two steps of the main thread, which this is for.

    The second ends the process, whatever it is doing. That is safe at any time: files are
    flushed as they are written, and a manifest is replaced in one step. A signal that the
    process was started to ignore stays ignored.
    """
    heard = 0

    def hear(_number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard > 1:
            _leave_at_once()
        first()

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, hear)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stopping:
    """Somebody's wish that what is running ends well.

    Attributes:
        asked: Set once it is uttered.
    """

    def __init__(self, announce: Callable[[], None]) -> None:
        """Call ``announce`` when it is uttered."""
        self.asked = asyncio.Event()
        self._announce = announce
        self._joining: asyncio.Timeout | None = None

    def ask(self) -> None:
        """Utter it. Idempotent."""
        if self.asked.is_set():
            return
        self.asked.set()
        self._announce()
        if self._joining is not None:
            self._joining.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def until_joined(self) -> AsyncGenerator[None]:
        """Break the block off when asked, unless :meth:`joined` came before; then go on below."""
        joining = asyncio.timeout(0 if self.asked.is_set() else None)
        try:
            async with joining:
                self._joining = joining
                yield
        except TimeoutError:
            if not joining.expired():
                raise
        finally:
            self._joining = None

    def joined(self) -> None:
        """Say that from here on what is running ends by itself when asked."""
        self._joining = None


@contextmanager
def stopping(announce: Callable[[], None]) -> Generator[Stopping]:
    """Give the wish that a first signal utters, to coroutines of the running loop."""
    loop = asyncio.get_running_loop()
    wish = Stopping(announce)

    def hear() -> None:
        loop.call_soon_threadsafe(wish.ask)

    with on_signal(hear):
        yield wish


def _leave_at_once() -> NoReturn:
    """End the process from within a signal handler: nothing that could wait for a lock."""
    os.write(_STDERR, (_SHOW_CURSOR if os.isatty(_STDERR) else b"") + _LEFT)
    os._exit(LEFT_AT_ONCE)
