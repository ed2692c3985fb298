"""The token server on this machine and for this machine only, as a program of its own."""

import asyncio
import hashlib
import http.client
import secrets
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.dev.child import Child
from agent.dev.ports import LOOPBACK, choose_port
from agent.dev.sfu import Sfu
from agent.errors import ServiceError

PORT = 8080
START_TIMEOUT_S = 15.0
_POLL_S = 0.02
_STOP_S = 3.0


class TokenServerError(ServiceError):
    """Raised when the token server doesn't come up."""

    def __init__(self, reason: str, log: Path) -> None:
        super().__init__(reason, log)
        self.reason = reason
        self.log = log

    def __str__(self) -> str:
        return f"the token server did not start: {self.reason} (its log: {self.log})"


@dataclass(frozen=True, slots=True)
class DevTokenServer:
    """Where it is, and the key with which the bot gets its role.

    Attributes:
        url: Of the page; to be opened in a browser.
    """

    url: str
    log: Path
    bot_key: str = field(repr=False)

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"{self.url}v1/token"


@asynccontextmanager
async def running_token_server(
    sfu: Sfu, *, port: int | None = None, log: Path | None = None
) -> AsyncGenerator[DevTokenServer]:
    """Run it for as long as the block takes, for whoever is on this machine.

    Args:
        sfu: Whose tokens it gives.
        port: ``None`` is 8080 or the next that is free.
        log: By default beside the SFU's.

    Raises:
        PortTakenError: ``port`` is in use.
        TokenServerError: It doesn't come up.
    """
    bound = choose_port(port, PORT)
    log = log or sfu.log.with_name(f"tokens-{bound}.log")
    server = DevTokenServer(f"http://{LOOPBACK}:{bound}/", log, secrets.token_urlsafe(32))
    environment = {
        "LIVEKIT_URL": sfu.url,
        "LIVEKIT_API_KEY": sfu.api_key,
        "LIVEKIT_API_SECRET": sfu.api_secret,
        # The hash will do for the server: the key itself stays with the bot.
        "ROOMCAST_DEV_BOT_KEY_SHA256": hashlib.sha256(server.bot_key.encode()).hexdigest(),
    }
    argv = [sys.executable, "-m", "tokenserver", "serve", "--dev"]
    argv += ["--listen", f"{LOOPBACK}:{bound}"]
    log.unlink(missing_ok=True)
    child = await asyncio.to_thread(Child, argv, log, environment)
    try:
        await _until_it_answers(child, bound, log)
        yield server
    finally:
        await asyncio.to_thread(_end, child)


async def _until_it_answers(child: Child, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not await asyncio.to_thread(_answers, port):
        if await asyncio.to_thread(child.wait, 0) is not None:
            raise TokenServerError(_last_line(log), log)
        if time.monotonic() > deadline:
            reason = f"no answer for {START_TIMEOUT_S:.0f} s"
            raise TokenServerError(reason, log)
        await asyncio.sleep(_POLL_S)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1.0)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(child: Child) -> None:
    child.send_signal(signal.SIGTERM)
    child.wait(_STOP_S)
    child.close()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"
