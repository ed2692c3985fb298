"""Waiting for what happens elsewhere: as short as it takes, and never for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

STEP_S = 0.02


def until(what: Callable[[], T | None], name: str, *, within_s: float = 10.0) -> T:
    """Return what ``what`` returns once it is true; fail by ``name`` if it never is."""
    deadline = time.monotonic() + within_s
    while not (result := what()):
        if time.monotonic() > deadline:
            message = f"waited {within_s:g} s in vain until {name}"
            raise AssertionError(message)
        time.sleep(STEP_S)
    return result


async def soon(
    what: Callable[[], T | Awaitable[T | None] | None], name: str, *, within_s: float = 10.0
) -> T:
    """Like :func:`until`, letting the event loop run meanwhile."""
    deadline = time.monotonic() + within_s
    while True:
        result = what()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return result
        if time.monotonic() > deadline:
            message = f"waited {within_s:g} s in vain until {name}"
            raise AssertionError(message)
        await asyncio.sleep(STEP_S)
