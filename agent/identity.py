"""Where the agent's tokens come from: a token endpoint, or an API key of the SFU itself.

A token is asked for anew before every join. What a server refreshed in between is not kept:
it dies with the server that signed it.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from jwt.warnings import InsecureKeyLengthWarning
from livekit.api import AccessToken, VideoGrants

from agent.errors import AccessError, UsageError
from agent.room import Access

REQUEST_TIMEOUT_S = 10.0
"""A token endpoint that takes longer is as good as down; the next attempt asks again."""

TOKEN_TTL = timedelta(minutes=10)
"""Only has to last until the join: the SFU refreshes the tokens of who is inside."""

_FINAL_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 415, 422})


class AccessSource(Protocol):
    """Gives the access for one attempt to join."""

    async def access(self) -> Access:
        """Return a fresh one.

        Raises:
            AccessError: If there is none to be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """A standard token endpoint (``POST``, ``server_url`` and ``participant_token`` back).

    Attributes:
        url: Of the endpoint itself.
        key: Sent as ``Authorization: Bearer``; empty sends none.
        server_url: Where to reach the SFU instead of where the endpoint says.
        timeout_s: How long it may take.
    """

    url: str
    room: str
    identity: str
    key: str = field(default="", repr=False)
    name: str = ""
    role: str = ""
    server_url: str = ""
    timeout_s: float = REQUEST_TIMEOUT_S

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            usable = False
        if not usable:
            sentence = f"{self.url!r} is no token endpoint: give an http:// or https:// URL"
            raise UsageError(sentence)
        if self.key and not (self.key.isascii() and self.key.isprintable()):
            raise UsageError("the key for the token endpoint must be one line of ASCII")

    async def access(self) -> Access:
        """Ask the endpoint.

        Raises:
            AccessError: If it refuses, can't be reached, or answers what is no token.
        """
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.post(self.url, json=self._request(), headers=headers) as response,
            ):
                if response.status not in (200, 201):
                    raise AccessError(
                        self.url,
                        await _refusal(response),
                        retry=response.status not in _FINAL_STATUSES,
                    )
                return self._read(await response.json(content_type=None))
        except TimeoutError:
            reason = f"it did not answer within {self.timeout_s:g} s"
            raise AccessError(self.url, reason) from None
        except (aiohttp.ClientError, ValueError) as error:
            raise AccessError(self.url, _phrase(error)) from None

    def _request(self) -> Mapping[str, object]:
        request: dict[str, object] = {
            "room_name": self.room,
            "participant_identity": self.identity,
        }
        if self.name:
            request["participant_name"] = self.name
        if self.role:
            request["participant_attributes"] = {"roomcast.role": self.role}
        return request

    def _read(self, answer: object) -> Access:
        if not isinstance(answer, dict):
            raise AccessError(self.url, "its answer is no JSON object")
        token = answer.get("participant_token") or answer.get("participantToken")
        url = self.server_url or answer.get("server_url") or answer.get("serverUrl")
        if not isinstance(token, str) or not isinstance(url, str):
            raise AccessError(self.url, "its answer lacks server_url or participant_token")
        return Access(url, token)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key of the SFU, with which the agent signs its own tokens.

    Attributes:
        recorder: Whether its bearer records. The SFU then shows the room as being recorded, and
            lets it into a full one.
    """

    url: str
    room: str
    identity: str
    api_key: str
    api_secret: str = field(repr=False)
    name: str = ""
    recorder: bool = True

    def __post_init__(self) -> None:
        if not self.api_key or not self.api_secret:
            raise UsageError("LIVEKIT_API_KEY and LIVEKIT_API_SECRET must both be set")

    async def access(self) -> Access:
        """Sign a token with the grants that a recording and publishing bot needs.

        Every permission is spelled out: what is left out, the server allows.
        """
        grants = VideoGrants(
            room_join=True,
            room=self.room,
            can_publish=True,
            can_subscribe=True,
            can_publish_data=True,
            can_update_own_metadata=True,
            recorder=self.recorder,
            hidden=False,
            room_create=False,
            room_list=False,
            room_admin=False,
            room_record=False,
            ingress_admin=False,
            agent=False,
        )
        with warnings.catch_warnings():
            # An SFU's own --dev key is short; `roomcast doctor` says so, in a sentence.
            warnings.simplefilter("ignore", InsecureKeyLengthWarning)
            return Access(self.url, self._signed(grants))

    def _signed(self, grants: VideoGrants) -> str:
        return (
            AccessToken(self.api_key, self.api_secret)
            .with_identity(self.identity)
            .with_name(self.name or self.identity)
            .with_ttl(TOKEN_TTL)
            .with_attributes({"roomcast.role": "bot"})
            .with_grants(grants)
            .to_jwt()
        )


async def _refusal(response: aiohttp.ClientResponse) -> str:
    """Return what a problem document (RFC 9457) says, or the status where there is none."""
    if response.content_type == "application/problem+json":
        try:
            problem = await response.json(content_type=None)
        except ValueError:  # a refusal all the same
            problem = None
        title = problem.get("title") if isinstance(problem, dict) else None
        if isinstance(title, str):
            return f"HTTP {response.status}, {title[:200]}"
    return f"HTTP {response.status}"


def _phrase(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionRefusedError):  # asyncio puts an address there
            return "can't connect: nothing listens there"
        return f"can't connect: {error.os_error.strerror or error.os_error}"
    if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError):
        return "its answer is no JSON"
    return str(error) or type(error).__name__
