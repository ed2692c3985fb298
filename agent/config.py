"""What the environment and the flags say, checked before anything is done with it.

The environment comes as a mapping, so that nothing here reads the process's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from agent.errors import UsageError

if TYPE_CHECKING:
    from agent.identity import AccessSource

Environment = Mapping[str, str]

DEFAULT_OUT: Final = Path("recordings")
BOT_ROLE: Final = "bot"

MAX_NAME_BYTES: Final = 256
"""The SFU's limit for room names and identities."""

_MAX_FILE_BYTES: Final = 64 * 1024
_ASSIGNMENT = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kKMGT]?i?)B?")
_UNITS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_WEBSOCKET: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}

_NOTHING_SET: Final = (
    "where is the room? Set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, "
    "or ROOMCAST_TOKEN_URL and ROOMCAST_TOKEN_KEY"
)


@dataclass(frozen=True, slots=True)
class KeyConnection:
    """An SFU, and a key of it to sign our tokens with."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)

    def accesses(self, room: str, identity: str, *, recorder: bool) -> "AccessSource":
        """Return where the tokens of ``identity``, a recorder or not, for ``room`` come from."""
        from agent.identity import ApiKey

        return ApiKey(self.url, room, identity, self.api_key, self.api_secret, recorder=recorder)


@dataclass(frozen=True, slots=True)
class EndpointConnection:
    """A token endpoint, which also says where the SFU is.

    Attributes:
        key: Empty if it wants none.
        server_url: Where to reach the SFU instead; empty believes the endpoint.
    """

    endpoint: str
    key: str = field(default="", repr=False)
    server_url: str = ""

    def accesses(self, room: str, identity: str, *, recorder: bool) -> "AccessSource":
        """Return where the tokens of ``identity``, a recorder or not, for ``room`` come from."""
        from agent.identity import TokenEndpoint

        # Only a bot may record. Who doesn't, or shows no key, takes what the endpoint gives.
        role = BOT_ROLE if self.key and recorder else ""
        return TokenEndpoint(
            self.endpoint, room, identity, key=self.key, role=role, server_url=self.server_url
        )


Connection = KeyConnection | EndpointConnection


def connection(environment: Environment) -> Connection:
    """Return how to get into rooms.

    Raises:
        UsageError: If the environment doesn't say, or says two things.
    """
    url = setting(environment, "LIVEKIT_URL")
    endpoint = setting(environment, "ROOMCAST_TOKEN_URL")
    api_key = setting(environment, "LIVEKIT_API_KEY")
    api_secret = setting(environment, "LIVEKIT_API_SECRET")
    if endpoint:
        if api_key or api_secret:
            message = (
                "LIVEKIT_API_KEY and ROOMCAST_TOKEN_URL are both set: unset the one that tokens "
                "are not to come from"
            )
            raise UsageError(message)
        return EndpointConnection(
            endpoint_url(endpoint),
            setting(environment, "ROOMCAST_TOKEN_KEY"),
            server_url(url) if url else "",
        )
    if not (url or api_key or api_secret):
        raise UsageError(_NOTHING_SET)
    given = {"LIVEKIT_URL": url, "LIVEKIT_API_KEY": api_key, "LIVEKIT_API_SECRET": api_secret}
    if missing := [name for name, value in given.items() if not value]:
        verb = "is" if len(missing) == 1 else "are"
        instead = "; or set ROOMCAST_TOKEN_URL to get tokens elsewhere" if url else ""
        message = f"{' and '.join(missing)} {verb} not set{instead}"
        raise UsageError(message)
    return KeyConnection(server_url(url), api_key, api_secret)


def out_folder(environment: Environment, flag: Path | None) -> Path:
    """Return where recordings go: the flag, ``ROOMCAST_OUT``, or ``recordings`` right here."""
    if flag is not None:
        return flag
    named = environment.get("ROOMCAST_OUT")
    return Path(named) if named else DEFAULT_OUT


def setting(environment: Environment, name: str) -> str:
    """Return the variable ``name``, or what the file in ``<name>_FILE`` holds; empty if unset.

    Raises:
        UsageError: If both are set, or the file can't be read.
    """
    value, file = environment.get(name, "").strip(), environment.get(f"{name}_FILE", "").strip()
    if value and file:
        message = f"{name} and {name}_FILE are both set: unset one of them"
        raise UsageError(message)
    if not file:
        return value
    text = _read(Path(file), f"named by {name}_FILE").strip()
    if not text:
        message = f"{file}, named by {name}_FILE, is empty"
        raise UsageError(message)
    return text


def with_env_file(environment: Environment, path: Path | None) -> Environment:
    """Return ``environment`` with the variables of the file at ``path``, which win.

    Lines are ``NAME=VALUE``, ``export`` before them or not; a value may stand in quotes. Empty
    lines and those that begin with ``#`` say nothing.

    Raises:
        UsageError: If it can't be read, or has a line that is something else.
    """
    if path is None:
        return environment
    merged = dict(environment)
    for number, raw in enumerate(_read(path, "named by --env-file").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _ASSIGNMENT.fullmatch(line)
        if not found:  # not quoted: the line may hold a secret
            message = f"line {number} of {path} is not NAME=VALUE"
            raise UsageError(message)
        name = found["name"]
        # The same setting in the environment's other way of writing it is meant to lose as well.
        merged.pop(name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE", None)
        merged[name] = _unquoted(found["value"])
    return merged


def server_url(text: str) -> str:
    """Return the URL of an SFU with ``ws`` or ``wss``; ``http`` and ``https`` mean the same.

    Raises:
        UsageError: If it is none.
    """
    parts = _split(text)
    if parts is None or parts.scheme not in _WEBSOCKET:
        message = (
            "LIVEKIT_URL must be the address of a LiveKit server, such as wss://rtc.example.com "
            "or ws://127.0.0.1:7880"
        )
        raise UsageError(message)
    path = parts.path.rstrip("/")
    return urlunsplit((_WEBSOCKET[parts.scheme], parts.netloc, path, "", ""))


def endpoint_url(text: str) -> str:
    """Return the URL of a token endpoint.

    Raises:
        UsageError: If it is none.
    """
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https"):
        message = (
            "ROOMCAST_TOKEN_URL must be the address of a token endpoint, such as "
            "https://tokens.example.com/v1/token"
        )
        raise UsageError(message)
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, ""))


def room_name(text: str) -> str:
    """Return ``text`` if a room can be called that.

    Raises:
        UsageError: If not.
    """
    return _name(text, "a room's name")


def participant_identity(text: str) -> str:
    """Return ``text`` if a participant can be called that.

    Raises:
        UsageError: If not.
    """
    if "#" in text:  # the SFU puts one between an identity and a suffix of its own
        raise UsageError("an identity must not contain '#'")
    return _name(text, "an identity")


def size_in_bytes(text: str) -> int:
    """Return the bytes that ``500MB``, ``1.5GiB`` or ``1000000`` are.

    Raises:
        UsageError: If it is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = found["unit"].upper() if found else ""
    power = _UNITS.get(unit.removesuffix("I"))
    size = 0
    if found and power is not None and unit != "I":
        size = int(float(found["number"]) * (1024 if unit.endswith("I") else 1000) ** power)
    if not size:
        message = f"no such size: {text!r}; write bytes, or say 500MB or 2GiB"
        raise UsageError(message)
    return size


def _name(text: str, what: str) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # bytes of the command line that are no text
        message = f"{what} must be UTF-8"
        raise UsageError(message) from None
    if not text.strip():
        message = f"{what} must not be empty"
        raise UsageError(message)
    if size > MAX_NAME_BYTES:
        message = f"{what} has at most {MAX_NAME_BYTES} bytes; this one has {size}"
        raise UsageError(message)
    return text


def _split(text: str) -> SplitResult | None:
    """Return the parts of an absolute URL; ``None`` if it is none or carries a password."""
    try:
        parts = urlsplit(text.strip())
        usable = parts.hostname and not parts.username and not parts.password
        _ = parts.port  # raises if it is no port
    except ValueError:
        return None
    return parts if usable else None


def _unquoted(value: str) -> str:
    value = value.strip()
    for quote in "\"'":
        if len(value) > 1 and value[0] == quote == value[-1]:
            return value[1:-1]
    return re.sub(r"\s+#.*$", "", value)


def _read(path: Path, whose: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE_BYTES + 1)
        if len(raw) > _MAX_FILE_BYTES:
            message = f"{path}, {whose}, is larger than {_MAX_FILE_BYTES // 1024} KiB"
            raise UsageError(message)
        return raw.decode()
    except OSError as error:
        message = f"can't read {path}, {whose}: {error.strerror}"
        raise UsageError(message) from None
    except UnicodeDecodeError:
        message = f"{path}, {whose}, is not UTF-8"
        raise UsageError(message) from None
