"""SFU and token server together, on this machine alone."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent.dev.sfu import Sfu, running_sfu
from agent.dev.sfu_binary import obtain_sfu, sfu_version
from agent.dev.token_server import DevTokenServer, running_token_server

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs."""

    sfu: Sfu
    tokens: DevTokenServer


@asynccontextmanager
async def running_stack(
    *, port: int | None = None, tell: Callable[[str], None] = logger.info
) -> AsyncGenerator[Stack]:
    """Run both for as long as the block takes.

    Args:
        port: Of the page; ``None`` is the usual one or the next that is free.
        tell: Told what takes its time.

    Raises:
        UsageError: The port is taken, or there is no SFU to be had.
        ServiceError: One of them doesn't come up.
    """
    binary = await asyncio.to_thread(obtain_sfu, report=tell)
    if logger.isEnabledFor(logging.INFO):  # asking takes a process
        version = await asyncio.to_thread(sfu_version, binary)
        logger.info("the SFU is %s, version %s", binary, version or "unknown")
    async with running_sfu(binary) as sfu, running_token_server(sfu, port=port) as tokens:
        yield Stack(sfu, tokens)
