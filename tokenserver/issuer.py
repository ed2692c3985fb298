"""Signs what was decided: a JWT as LiveKit's servers take it (HS256, RFC 7515 and 7519)."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Final

from tokenserver.decision import Grant

SECRET_BYTES: Final = 32
"""The least length of a secret for HMAC-SHA-256 (RFC 7518, section 3.2)."""

CLOCK_SLACK_S: Final = 5
"""How far ``nbf`` lies back, for clients that compare it with a clock of their own."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A LiveKit API key and its secret."""

    name: str
    secret: str = field(repr=False)

    @property
    def is_weak(self) -> bool:
        """Tell whether the secret is shorter than what it is used for asks for."""
        return len(self.secret.encode()) < SECRET_BYTES


class Issuer:
    """Signs tokens with one key."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._header = _base64url(b'{"alg":"HS256","typ":"JWT"}')
        self._mac = hmac.new(key.secret.encode(), digestmod=hashlib.sha256)

    def sign(self, grant: Grant, now: int, unique: str) -> str:
        """Return the token for ``grant``, valid from ``now`` (seconds since 1970) on.

        ``unique`` becomes the token's ``jti``, by which an audit can tell tokens apart.
        """
        claims = {
            "iss": self._key.name,
            "sub": grant.identity,
            "nbf": now - CLOCK_SLACK_S,
            "iat": now,
            "exp": now + grant.ttl_s,
            "jti": unique,
            "name": grant.name,
            "metadata": grant.metadata,
            "attributes": dict(grant.attributes),
            "video": dict(grant.video),
        }
        payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
        signed = self._header + b"." + _base64url(payload)
        mac = self._mac.copy()
        mac.update(signed)
        return (signed + b"." + _base64url(mac.digest())).decode()


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
