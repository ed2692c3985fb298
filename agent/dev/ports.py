"""Free ports on loopback."""

import socket
from typing import Literal

from agent.errors import UsageError

LOOPBACK = "127.0.0.1"
_TRIES = 100  # ports after the default one, before giving up

Transport = Literal["tcp", "udp"]


class PortTakenError(UsageError):
    """Raised when the port that was asked for, or every default one, is in use."""

    def __init__(self, port: int, transport: str) -> None:
        super().__init__(port, transport)
        self.port = port
        self.transport = transport

    def __str__(self) -> str:
        return (
            f"{self.transport.upper()} port {self.port} is taken by another program: "
            "end that one or choose another port"
        )


def choose_port(asked: int | None, default: int, transport: Transport = "tcp") -> int:
    """Return a port of 127.0.0.1 that is free now.

    Args:
        asked: This one and no other; 0 for any; None for the first free one from ``default`` on.
        default: The port that people expect.
        transport: Which kind of port.

    Raises:
        PortTakenError: The one asked for is in use, or too many after the default one are.
    """
    choices = range(default, default + _TRIES) if asked is None else (asked,)
    for port in choices:
        if (free := _bound(port, transport)) is not None:
            return free
    raise PortTakenError(default if asked is None else asked, transport)


def _bound(port: int, transport: Transport) -> int | None:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if transport == "tcp":  # as servers do: what old connections left is no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
