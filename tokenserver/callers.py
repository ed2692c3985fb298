"""Who is asking: the caller of the policy whose credential a request carries."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Final

from tokenserver.policy import CallerRule, Policy
from tokenserver.refusals import Code, RefusedError

_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,4096})", re.IGNORECASE)


def identify(policy: Policy, authorization: Sequence[str]) -> CallerRule:
    """Return the rule of the caller that sent these ``Authorization`` headers.

    A wrong key is refused even where anonymous callers are welcome: who means to be somebody
    must not silently become nobody.
    """
    if not authorization:
        if policy.anonymous is None:
            raise RefusedError(Code.UNAUTHENTICATED, "the request carries no credential")
        return policy.anonymous
    bearer = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
    if bearer is None:
        raise RefusedError(Code.UNAUTHENTICATED, "the Authorization header is not one Bearer key")
    presented = api_key_sha256(bearer[1])
    known = None
    for rule in policy.callers:  # to the end, so that the time does not tell which one it was
        if rule.api_key_sha256 and hmac.compare_digest(rule.api_key_sha256, presented):
            known = rule
    if known is None:
        raise RefusedError(Code.UNAUTHENTICATED, "the API key is not known")
    return known


def api_key_sha256(api_key: str) -> str:
    """Return what a policy holds of ``api_key``.

    A plain hash is enough because the key is 256 random bits and not a password.
    """
    return hashlib.sha256(api_key.encode()).hexdigest()


def new_api_key() -> str:
    """Return a fresh API key for a caller: 256 random bits behind a recognisable prefix."""
    return f"rck_{secrets.token_urlsafe(32)}"
