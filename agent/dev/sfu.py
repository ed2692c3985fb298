"""A LiveKit SFU on this machine and for this machine only."""

import asyncio
import base64
import hmac
import http.client
import json
import os
import re
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from agent.dev.child import Child
from agent.dev.ports import LOOPBACK, PortTakenError, choose_port
from agent.dev.sfu_log import last_words
from agent.errors import ServiceError, UsageError

HTTP_PORT = 7880
UDP_PORT = 7882
START_TIMEOUT_S = 15.0
_POLL_S = 0.01
_STARTS = 5  # on ports of our choice, when others take them between our look and its bind
_ANSWER_S = 1.0
_DRAIN_S = 0.5
_FORCED_S = 3.0
_TAKEN = re.compile(
    r"listen (?P<transport>tcp|udp) \S*:(?P<port>\d+): bind: address already in use"
)


class SfuStartError(ServiceError):
    """Raised when the SFU doesn't come up."""

    def __init__(self, reason: str, log: Path) -> None:
        super().__init__(reason, log)
        self.reason = reason
        self.log = log

    def __str__(self) -> str:
        return f"the SFU did not start: {self.reason} (its log: {self.log})"


@dataclass(frozen=True, slots=True)
class SfuPorts:
    """Where the SFU listens: signalling, media over UDP, and over TCP (0: not)."""

    http: int
    udp: int
    tcp: int


class Sfu:
    """One SFU with a key of its own, at the same address over all its starts.

    Methods block for as long as they take and may be called from any thread.

    Attributes:
        api_key: The one key it knows, made for this run.
        api_secret: The secret of that key.
    """

    def __init__(
        self,
        binary: Path,
        *,
        port: int | None = None,
        udp_port: int | None = None,
        tcp_port: int = 0,
        log: Path | None = None,
    ) -> None:
        """Name the ports: None for the usual one or the next free, 0 for any, else just that.

        ``tcp_port`` 0 is no TCP at all: that listener would be open to the network. ``log`` is by
        default a file in the user's state folder, named after the port.
        """
        self._binary = binary
        self._asked = (port, udp_port)
        self._tcp = tcp_port
        self._ports: SfuPorts | None = None
        self._log = log
        self._lock = threading.Lock()  # a stop waits for a start that nobody awaits any more
        self._child: Child | None = None
        self.api_key = f"dev{secrets.token_hex(5)}"
        self.api_secret = secrets.token_urlsafe(32)

    def __repr__(self) -> str:
        return f"<Sfu {self._ports} pid={self._child and self._child.pid}>"

    @property
    def ports(self) -> SfuPorts:
        """Its ports, fixed by the first start."""
        if self._ports is None:
            raise RuntimeError("the SFU has no ports before its first start")
        return self._ports

    @property
    def url(self) -> str:
        """The URL that participants connect to."""
        return f"ws://{LOOPBACK}:{self.ports.http}"

    @property
    def log(self) -> Path:
        """The file with what it prints: new with the first start, kept over others and the end."""
        return self._log or _log_folder() / f"sfu-{self.ports.http}.log"

    @property
    def pid(self) -> int | None:
        """Its process, or None if it is not running."""
        child = self._child
        return child.pid if child and child.wait(0) is None else None

    def start(self) -> None:
        """Start it, for the first time or again; return once it takes participants.

        Raises:
            PortTakenError: A port that was asked for, or that it had before, is in use.
            ProgramError: The binary can't be run.
            SfuStartError: It ended at once, or did not answer for 15 s.
        """
        with self._lock:
            if self.pid is not None:
                raise RuntimeError("the SFU is running already")
            if self._ports is None:
                self._first_launch()
            else:
                self._launch(self._ports)

    def stop(self, drain_s: float = _DRAIN_S) -> None:
        """End it as an operator would: a signal, and a second one if participants remain.

        Those who remain are told that the server shuts down and that they need not come back.
        """
        self._end(((signal.SIGTERM, drain_s), (signal.SIGTERM, _FORCED_S)))

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _end(self, steps: tuple[tuple[signal.Signals, float], ...]) -> None:
        with self._lock:
            child, self._child = self._child, None
            if child is None:
                return
            try:
                for number, wait_s in steps:
                    child.send_signal(number)
                    if child.wait(wait_s) is not None:
                        break
            finally:
                child.close()

    def _first_launch(self) -> None:
        for left in reversed(range(_STARTS)):
            self._ports = SfuPorts(
                choose_port(self._asked[0], HTTP_PORT),
                choose_port(self._asked[1], UDP_PORT, "udp"),
                self._tcp,
            )
            self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.log.unlink(missing_ok=True)
            try:
                self._launch(self._ports)
            except (ServiceError, UsageError) as error:
                self._ports = None
                if not isinstance(error, PortTakenError) or not left:
                    raise
            else:
                return

    def _launch(self, ports: SfuPorts) -> None:
        said_before = self.log.stat().st_size if self.log.exists() else 0
        with tempfile.TemporaryDirectory(prefix="roomcast-sfu-") as folder:
            # The SFU reads it once, at its start: the secret lies on the disk for a moment only.
            config = Path(folder) / "livekit.yaml"
            with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                yaml.safe_dump(_config(ports, self.api_key, self.api_secret), file)
            child = Child([str(self._binary), "--config", str(config)], self.log)
            try:
                self._await_answer(child, ports, said_before)
            except BaseException:
                child.close()
                raise
        self._child = child

    def _await_answer(self, child: Child, ports: SfuPorts, said_before: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _accepts(ports.http, self.api_key, self.api_secret):
            if child.wait(_POLL_S) is not None:
                reason = last_words(self.log, since=said_before)
                if taken := _TAKEN.search(reason):
                    raise PortTakenError(int(taken["port"]), taken["transport"])
                raise SfuStartError(reason or "it ended without a word", self.log)
            if time.monotonic() > deadline:
                reason = f"no answer for {START_TIMEOUT_S:.0f} s"
                raise SfuStartError(reason, self.log)


@asynccontextmanager
async def running_sfu(
    binary: Path,
    *,
    port: int | None = None,
    udp_port: int | None = None,
    tcp_port: int = 0,
    log: Path | None = None,
) -> AsyncIterator[Sfu]:
    """Run an SFU for as long as the block takes; arguments and errors are those of `Sfu`."""
    sfu = Sfu(binary, port=port, udp_port=udp_port, tcp_port=tcp_port, log=log)
    try:
        await asyncio.to_thread(sfu.start)
        yield sfu
    finally:
        await asyncio.to_thread(sfu.stop)


def _config(ports: SfuPorts, key: str, secret: str) -> dict[str, object]:
    """Return a configuration that reaches no other host and that none can reach."""
    return {
        "port": ports.http,
        "bind_addresses": [LOOPBACK],
        "rtc": {
            "node_ip": LOOPBACK,  # with it the SFU asks no STUN server who it is
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "interfaces": {"includes": ["lo"]},
            "udp_port": ports.udp,
            "tcp_port": ports.tcp,  # binds every interface, whatever bind_addresses says
            "stun_servers": [f"{LOOPBACK}:3478"],  # else participants are sent to public ones
        },
        "keys": {key: secret},
        "room": {"auto_create": True, "empty_timeout": 30, "departure_timeout": 5},
        "logging": {"level": "info", "json": True},
    }


def _accepts(port: int, key: str, secret: str) -> bool:
    """Whether an SFU answers there that knows the key: another one is not ours."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ANSWER_S)
    try:
        token = _token(key, secret)
        connection.request("GET", "/rtc/validate", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _token(key: str, secret: str) -> str:
    claims = {
        "iss": key,
        "sub": "readiness",
        "exp": int(time.time()) + 60,
        "video": {"roomJoin": True, "room": "readiness"},
    }
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
    signed = b".".join(parts)
    return b".".join((signed, _base64url(hmac.digest(secret.encode(), signed, "sha256")))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _log_folder() -> Path:
    """Return the user's folder for logs: $XDG_STATE_HOME, or what the specification says."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = Path.home() / ".local" / "state"
    return state / "roomcast" / "log"
