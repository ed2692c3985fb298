"""What keeps a development server, which asks nobody who they are, to its own machine."""

import ipaddress
import re
from typing import Final

from tokenserver.refusals import Code, RefusedError

_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9.-]+))(?::(?P<port>\d{1,5}))?"
)
_HTTP_PORT: Final = 80


def is_loopback(host: str) -> bool:
    """Tell whether ``host``, an address or the name ``localhost``, is this machine.

    No name is looked up: what a name server answers can change between two requests.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def require_local(peer: str | None, host_header: str | None, port: int) -> None:
    """Refuse a request that did not start on this machine.

    ``peer`` is the address of the other end, ``port`` the one that we listen on. The ``Host``
    header tells on a page whose name was made to resolve to 127.0.0.1 (DNS rebinding): the
    browser of a person on this machine would call us for it, and let it read the answer.
    """
    if peer is None or not is_loopback(peer):
        raise RefusedError(Code.NOT_LOCAL, "the caller is not on this machine")
    host = _HOST.fullmatch(host_header or "")
    if (
        host is None
        or not is_loopback(host["six"] or host["name"])
        or int(host["port"] or _HTTP_PORT) != port
    ):
        raise RefusedError(Code.WRONG_HOST, "the Host header is not our loopback address")
