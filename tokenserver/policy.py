"""Who may ask for what: the policy file as a closed, frozen model.

What the file does not grant is refused, and a key that is not listed here is an error: a
misspelt ``subscirbe`` must not pass for a decision. :mod:`tokenserver.policy_file` reads the
file and reports where in it a mistake is.
"""

import re
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from tokenserver.names import is_reserved

ROLE_ATTRIBUTE: Final = "roomcast.role"
"""Carries the granted role in the token; in a request it asks for one."""

_UNITS_OF_TIME: Final = {"s": 1, "m": 60, "h": 3600}
_UNITS_OF_SIZE: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2}
_OWN_ATTRIBUTES: Final = ("roomcast.", "lk.")


class Source(StrEnum):
    """The kinds of track that a grant can name, as LiveKit spells them in a token."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN_SHARE = "screen_share"
    SCREEN_SHARE_AUDIO = "screen_share_audio"


def _amount(value: object, units: dict[str, int], example: str) -> object:
    """Turn ``"10m"`` or ``"16KiB"`` into a number of the first unit; numbers pass as they are."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d{1,9})([A-Za-z]+)", value)
    if match is None or match[2] not in units:
        names = ", ".join(units)
        msg = f"must be a whole number followed by one of {names}, such as {example}"
        raise ValueError(msg)
    return int(match[1]) * units[match[2]]


def _seconds(value: object) -> object:
    return _amount(value, _UNITS_OF_TIME, "10m")


def _bytes(value: object) -> object:
    return _amount(value, _UNITS_OF_SIZE, "16KiB")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        msg = f"is not a regular expression: {error}"
        raise ValueError(msg) from None
    return text


def _server_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be a ws:// or wss:// address without a user and password")
    if parts.query or parts.fragment or re.search(r"[\s;,'\"]", url):
        raise ValueError("must consist of a scheme, a host, a port and a path, nothing else")
    return url


def _origin(origin: str) -> str:
    parts = urlsplit(origin)
    exact = f"{parts.scheme}://{parts.netloc}".lower()
    if parts.scheme not in ("http", "https") or not parts.hostname or exact != origin:
        raise ValueError("must be an exact origin in lower case, such as https://app.example.com")
    if "*" in origin or "@" in origin:
        raise ValueError("must name one host; wildcards are refused")
    return origin


def _settable(field: str) -> str:
    if field in ("name", "metadata"):
        return field
    attribute = field.removeprefix("attributes.")
    if attribute in (field, "") or attribute.startswith(_OWN_ATTRIBUTES):
        own = " or ".join(f"{prefix}*" for prefix in _OWN_ATTRIBUTES)
        msg = f"must be name, metadata or attributes.<key>, and the key not {own}"
        raise ValueError(msg)
    return field


Seconds = Annotated[int, BeforeValidator(_seconds)]
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=0, le=64 * 1024)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}\z")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
RoomGlob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*:_.-]{1,128}\z")]


class Section(BaseModel):
    """What all parts of the file share: unknown keys are errors, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Keys(Section):
    """A file ``{k1: secret, k2: secret}`` and the name of the key that signs."""

    active: str
    file: Annotated[Path, Field(strict=False)]


class CallerRule(Section):
    """One kind of caller: how it is known, and the roles it may hold, its usual one first."""

    name: Name
    roles: Annotated[tuple[Name, ...], Field(min_length=1)]
    api_key_sha256: Sha256 | None = Field(default=None, repr=False)
    anonymous: Literal[True] | None = None

    @model_validator(mode="after")
    def _is_known_in_one_way(self) -> Self:
        if (self.api_key_sha256 is None) is (self.anonymous is None):
            raise ValueError("needs either api_key_sha256 or `anonymous: true`")
        return self


class IdentityRule(Section):
    """What an identity may look like; ``pattern`` must match all of it."""

    pattern: Pattern = r"^[A-Za-z0-9:_.-]{1,128}$"


class RoomRule(Section):
    """Which rooms exist for us: the name matches ``pattern`` and one entry of ``allow``.

    ``*`` in ``allow`` stands for any text.
    """

    allow: Annotated[tuple[RoomGlob, ...], Field(min_length=1)]
    pattern: Pattern = r"^[a-z0-9-]{1,64}$"

    def admits(self, room: str) -> bool:
        """Tell whether ``room`` is one of those that the policy allows."""
        return re.fullmatch(self.pattern, room) is not None and any(
            re.fullmatch(".*".join(map(re.escape, glob.split("*"))), room) for glob in self.allow
        )

    def only(self) -> str | None:
        """Return the one room there is, or None if there may be several."""
        return None if len(self.allow) > 1 or "*" in self.allow[0] else self.allow[0]


class Role(Section):
    """What a role may do in a room; everything is refused unless it is granted here."""

    ttl: Annotated[Seconds, Field(ge=120, le=24 * 3600)] = 600
    publish: Literal["all", "none"] | tuple[Source, ...] = "none"
    subscribe: bool = False
    data: bool = False
    recorder: bool = False
    update_own_metadata: bool = False
    settable: tuple[Annotated[str, AfterValidator(_settable)], ...] = ("name",)


class Cors(Section):
    """The pages elsewhere whose scripts may call us and read the answer."""

    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()


class AttributeLimits(Section):
    """How many attributes a client may set, and the bytes of all their keys and values."""

    count: Annotated[int, Field(ge=0, le=256)] = 16
    total: Bytes = 2048


class Limits(Section):
    """Sizes of what a client sends, in bytes."""

    body: Annotated[Bytes, Field(ge=64)] = 16 * 1024
    metadata: Bytes = 1024
    attributes: AttributeLimits = AttributeLimits()


class Policy(Section):
    """The whole file."""

    version: Literal[1]
    server_url: Annotated[str, AfterValidator(_server_url)]
    keys: Keys | None = None
    callers: Annotated[tuple[CallerRule, ...], Field(min_length=1)]
    identity: IdentityRule = IdentityRule()
    rooms: RoomRule
    roles: Annotated[dict[Name, Role], Field(min_length=1)]
    cors: Cors = Cors()
    limits: Limits = Limits()

    @property
    def anonymous(self) -> CallerRule | None:
        """The rule for callers that present nothing, if there is one."""
        return next((rule for rule in self.callers if rule.anonymous), None)

    @model_validator(mode="after")
    def _callers_are_distinct(self) -> Self:
        for what, values in (
            ("the name", [rule.name for rule in self.callers]),
            ("the API key", [rule.api_key_sha256 for rule in self.callers if not rule.anonymous]),
            ("`anonymous`", [rule.anonymous for rule in self.callers if rule.anonymous]),
        ):
            if any(count > 1 for count in Counter(values).values()):
                msg = f"callers: {what} of a caller appears twice"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _callers_have_known_roles(self) -> Self:
        for rule in self.callers:
            for role in rule.roles:
                if role not in self.roles:
                    msg = f"callers: {rule.name} has the role {role}, which `roles` does not define"
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _roles_can_be_given_an_identity(self) -> Self:
        for name, role in self.roles.items():
            sample = new_identity(name, "0" * 16)
            if re.fullmatch(self.identity.pattern, sample) is None:
                msg = f"identity.pattern: must match the identities we make up, such as {sample}"
                raise ValueError(msg)
            if is_reserved(sample) and not role.recorder:
                msg = f"roles: the name {name} is kept for a role with `recorder: true`"
                raise ValueError(msg)
        return self


def new_identity(role: str, unique: str) -> str:
    """Return an identity for a participant who did not choose one."""
    return f"{role}-{unique}"
