"""Whether rooms can be reached, joined and recorded from here, one question after another."""

import asyncio
import platform
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from agent.errors import AccessError, ServiceError, UsageError
from agent.identity import AccessSource
from agent.room import Access, Room
from agent.session import joined

TIMEOUT_S: Final = 5.0
SKEW_NOTED_S: Final = 5.0
SKEW_REFUSED_S: Final = 60.0
"""The SFU's leeway for the times in a token."""

STRONG_SECRET_BYTES: Final = 32
LITTLE_SPACE_BYTES: Final = 1_000_000_000
PACKAGES: Final = ("roomcast", "livekit", "livekit-api", "av", "aiohttp", "numpy")

_PORTS: Final = {"ws": 80, "wss": 443}
_HTTP: Final = {"ws": "http", "wss": "https"}

_OK: Final = 200
_REFUSED: Final = frozenset({401, 403})
_NOT_FOUND: Final = 404
_NOT_ACCEPTABLE: Final = 406


class Answer(StrEnum):
    """To a question."""

    YES = "yes"
    WARNING = "warning"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Check:
    """A question and what came of it.

    Attributes:
        found: A phrase.
        advice: What to do; empty if nothing.
        exit_code: Of a command that ends because of this.
    """

    name: str
    answer: Answer
    found: str
    advice: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, without the body: that may quote the token.

    Attributes:
        skew_s: How far the server's clock is ahead of ours; ``None`` if it doesn't tell.
    """

    status: int
    skew_s: float | None


async def check_connection(
    accesses: AccessSource, *, endpoint: str = "", new_room: Callable[[], Room] | None = None
) -> AsyncIterator[Check]:
    """Ask everything that lies between here and a room; stop where going on makes no sense.

    Args:
        accesses: Where the token comes from, for the room that is asked about.
        endpoint: Of those tokens, if they come from one.
        new_room: Makes a connection; if given, the room is joined and left.
    """
    try:
        access = await accesses.access()
    except AccessError as error:
        yield _theirs("token endpoint", error.reason, _endpoint_advice(error))
        return
    if endpoint:
        yield _yes("token endpoint", f"{endpoint} gives a token")
    address = await _check_address(access.url)
    yield address
    if address.answer is Answer.NO:
        return
    skew_s = None
    async for check, reply in _check_server(access):
        yield check
        skew_s = reply.skew_s if reply else skew_s
        if check.answer is Answer.NO and check.name == "server":
            return
    yield await _check_token(access, skew_s, endpoint=endpoint)
    if new_room is not None:
        yield await _check_join(new_room, accesses)


def check_secret(api_secret: str) -> Check | None:
    """Ask whether a secret is long enough to sign with (RFC 7518, section 3.2); ``None`` if so."""
    if len(api_secret.encode()) >= STRONG_SECRET_BYTES:
        return None
    advice = "fine for a trial; else generate one: openssl rand -base64 36"
    return _warning("secret", f"it is shorter than {STRONG_SECRET_BYTES} bytes", advice)


def check_folder(out: Path) -> Check:
    """Ask whether recordings can be written to ``out``, which is made if need be when they are."""
    name = "recordings folder"
    there = next((it for it in (out, *out.absolute().parents) if it.exists()), Path("/"))
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".roomcast-doctor-"):
            free = shutil.disk_usage(there).free
    except OSError as error:
        advice = "choose another with -o or ROOMCAST_OUT, or make it writable"
        return _yours(name, f"{out} can't be written: {error.strerror}", advice)
    found = f"{out} can be written, {free / 1e9:.1f} GB free"
    if free < LITTLE_SPACE_BYTES:
        return _warning(name, found, "make room: an hour of one camera takes about 0.7 GB")
    return _yes(name, found)


def check_versions() -> Check:
    """Tell what is installed."""
    found = [f"python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} (run from a checkout)")
    return _yes("versions", ", ".join(found))


def refused_configuration(error: UsageError) -> Check:
    """Tell that the environment doesn't say where the rooms are."""
    return _yours("configuration", str(error), "`roomcast --help` names the variables")


def accepted_configuration(found: str) -> Check:
    """Tell what the environment says."""
    return _yes("configuration", found)


async def _check_address(url: str) -> Check:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
    name = "network"
    where = f"{host} port {port}"
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        advice = "check the address, and that no firewall drops what is sent there"
        return _theirs(name, f"{where} does not answer within {TIMEOUT_S:g} s", advice)
    except socket.gaierror:
        return _theirs(name, f"the host name {host} is not known", "check LIVEKIT_URL")
    except OSError as error:
        advice = "check LIVEKIT_URL, and that the server is running"
        return _theirs(name, f"can't connect to {where}: {error.strerror or error}", advice)
    writer.close()
    await writer.wait_closed()
    return _yes(name, f"{where} takes connections")


async def _check_server(access: Access) -> AsyncIterator[tuple[Check, Reply | None]]:
    try:
        reply = await _get(access.url, "/")
    except _UnreachableError as error:
        yield _theirs("server", error.reason, error.advice), None
        return
    if reply.status == _NOT_ACCEPTABLE:
        advice = "it is overloaded, or has lost its Redis: see its log"
        yield _theirs("server", "the server says that it isn't well (406)", advice), reply
    elif reply.status != _OK:
        found = f"the server answers {reply.status} instead of 200"
        advice = "is this a LiveKit server, or a proxy whose LiveKit server is down?"
        yield _theirs("server", found, advice), reply
    else:
        yield _yes("server", f"{access.url} answers"), reply
    if reply.skew_s is not None:
        yield _check_clock(reply.skew_s), reply


def _check_clock(skew_s: float) -> Check:
    direction = "behind" if skew_s > 0 else "ahead of"
    found = f"our clock is {abs(skew_s):.0f} s {direction} the server's"
    advice = "set both by NTP; the server refuses tokens that are more than 60 s off"
    if abs(skew_s) > SKEW_REFUSED_S:
        return _yours("clock", found, advice)
    if abs(skew_s) > SKEW_NOTED_S:
        return _warning("clock", found, advice)
    return _yes("clock", "agrees with the server's within the second or so that can be told")


async def _check_token(access: Access, skew_s: float | None, *, endpoint: str) -> Check:
    name = "token"
    try:
        reply = await _get(access.url, "/rtc/validate", token=access.token)
    except _UnreachableError as error:
        return _theirs(name, error.reason, error.advice)
    if reply.status == _OK:
        return _yes(name, "the server accepts it")
    if reply.status in _REFUSED:
        if skew_s is not None and abs(skew_s) > SKEW_REFUSED_S:
            return _theirs(name, "the server refuses it", "mend the clock first")
        signer = "the token endpoint's key" if endpoint else "LIVEKIT_API_KEY or its secret"
        advice = f"{signer} is none of this server's: compare with `keys` in its configuration"
        return _theirs(name, f"the server refuses it ({reply.status})", advice)
    if reply.status == _NOT_FOUND:
        advice = "check the path in LIVEKIT_URL, or name a --room that exists"
        return _theirs(name, "no LiveKit server there, or no such room (404)", advice)
    return _theirs(name, f"the server answers {reply.status}", "see the server's log")


async def _check_join(new_room: Callable[[], Room], accesses: AccessSource) -> Check:
    began = time.monotonic()
    try:
        async with joined(new_room, accesses) as session:
            took_ms = (time.monotonic() - began) * 1000
            found = f"joined {session.room_name!r} as {session.identity} in {took_ms:.0f} ms"
            return _yes("join", found)
    except ServiceError as error:
        advice = "media takes ways of its own: are the server's UDP ports open to us?"
        return _theirs("join", str(error), advice)


class _UnreachableError(Exception):
    """Raised when there is no answer over HTTP."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice


async def _get(url: str, path: str, *, token: str = "") -> Reply:
    parts = urlsplit(url)
    address = urlunsplit((_HTTP[parts.scheme], parts.netloc, parts.path + path, "", ""))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    before = time.time()
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(address, headers=headers, allow_redirects=False) as response,
        ):
            return Reply(response.status, _skew_s(response, (before + time.time()) / 2))
    except TimeoutError:
        reason = f"no answer over HTTP within {TIMEOUT_S:g} s"
        raise _UnreachableError(reason, "see the server's log") from None
    except aiohttp.ClientConnectorCertificateError as error:
        reason = f"its certificate is not to be trusted: {error.certificate_error}"
        raise _UnreachableError(reason, "mend the certificate, or the name in the URL") from None
    except ssl.SSLError:
        advice = "write ws:// instead of wss://, or put a proxy with a certificate before it"
        raise _UnreachableError("no TLS is spoken there", advice) from None
    except aiohttp.ClientError as error:
        reason = f"no HTTP is spoken there ({type(error).__name__})"
        advice = "check the port in LIVEKIT_URL, and ws:// against wss://"
        raise _UnreachableError(reason, advice) from None


def _skew_s(response: aiohttp.ClientResponse, now: float) -> float | None:
    """Return how far the server's clock is ahead; it tells whole seconds, rounded down."""
    try:
        told = parsedate_to_datetime(response.headers["Date"]).timestamp() + 0.5
    except (KeyError, ValueError):
        return None
    return told - now


def _endpoint_advice(error: AccessError) -> str:
    if error.retry:
        return "check ROOMCAST_TOKEN_URL, and that the token server is running"
    return "check ROOMCAST_TOKEN_KEY, and with --room a room that its policy lets us into"


def _yes(name: str, found: str) -> Check:
    return Check(name, Answer.YES, found)


def _warning(name: str, found: str, advice: str) -> Check:
    return Check(name, Answer.WARNING, found, advice)


def _yours(name: str, found: str, advice: str) -> Check:
    return Check(name, Answer.NO, found, advice, UsageError.exit_code)


def _theirs(name: str, found: str, advice: str) -> Check:
    return Check(name, Answer.NO, found, advice, ServiceError.exit_code)
