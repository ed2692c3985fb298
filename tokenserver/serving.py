"""One run of the server: listens, tells where, and stops in good order."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Final, NamedTuple, Self

from aiohttp import web

from tokenserver.bad_http import answer_bad_http_with_problems
from tokenserver.errors import ConfigurationError

_ANSWERS_S: Final = 5.0
_EXIT_AT_ONCE: Final = 130


class Address(NamedTuple):
    """Where to listen; port 0 stands for any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host:port`` or ``[v6]:port``."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            msg = f"{text!r} is no address to listen on: write HOST:PORT, such as 127.0.0.1:8080"
            raise ConfigurationError(msg)
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


@asynccontextmanager
async def listening(app: web.Application, address: Address) -> AsyncIterator[str]:
    """Serve ``app`` within the context and yield its URL.

    On leaving, requests that are under way have five seconds to be answered.
    """
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=_ANSWERS_S)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - set up a line above
    answer_bad_http_with_problems(runner.server)
    try:
        site = web.TCPSite(runner, address.host, address.port)
        try:
            await site.start()
        except OSError as error:
            msg = f"can't listen on {address.host}:{address.port}: {error.strerror}"
            raise ConfigurationError(msg) from None
        host = f"[{address.host}]" if ":" in address.host else address.host
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first SIGTERM or SIGINT; leave the process at the second."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def first() -> None:
        for number in signals:
            loop.add_signal_handler(number, os._exit, _EXIT_AT_ONCE)
        stop()

    for number in signals:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextmanager
def stop_when_stdin_closes(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` once the pipe on standard input ends, because who started us is gone."""
    loop = asyncio.get_running_loop()
    stdin = sys.stdin.fileno()

    def read() -> None:
        if not os.read(stdin, 4096):
            loop.remove_reader(stdin)
            stop()

    try:
        loop.add_reader(stdin, read)
    except PermissionError:
        raise ConfigurationError("--until-stdin-closes needs a pipe on standard input") from None
    try:
        yield
    finally:
        loop.remove_reader(stdin)


async def serve(
    app: web.Application,
    address: Address,
    *,
    started: Callable[[str], None],
    until_stdin_closes: bool,
) -> None:
    """Serve ``app`` until a signal or the end of standard input; ``started`` gets the URL."""
    stopping = asyncio.Event()
    stdin: AbstractContextManager[None] = (
        stop_when_stdin_closes(stopping.set) if until_stdin_closes else nullcontext()
    )
    with stop_on_signals(stopping.set), stdin:
        async with listening(app, address) as url:
            started(url)
            await stopping.wait()
