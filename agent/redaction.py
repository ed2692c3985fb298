"""Texts that may quote a token, without it."""

import re

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s'\",;]+")


def without_secrets(text: str) -> str:
    """Return ``text`` with each JSON Web Token, even a cut one, and each bearer key taken out."""
    return _BEARER.sub(r"\1<secret>", _TOKEN.sub("<token>", text))
