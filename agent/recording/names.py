"""File names made of what strangers chose: identities and room names."""

import hashlib
import re
import string
from collections.abc import Iterable
from datetime import UTC, datetime

MAX_BYTES = 100
"""A name's own length, without ending: leaves room for both under the 255 of file systems."""

_HASH_DIGITS = 16
_SAFE = frozenset(string.ascii_letters + string.digits + "_.-")


def safe_name(text: str) -> str:
    """Return ``text`` as a file name: percent-encoded outside ``[A-Za-z0-9_.-]``, no leading dot.

    Nor does it end in a dot and a number, as the further parts of a file do. A name over
    :data:`MAX_BYTES` is cut and ends in a hash of the whole. Case twins collide on some file
    systems: see :func:`unique_name`.
    """
    octets = text.encode("utf-8", "replace")
    name = "".join(chr(o) if chr(o) in _SAFE else f"%{o:02X}" for o in octets)
    if name.startswith(".") or not name:
        name = f"%2E{name[1:]}" if name else "%00"
    name = re.sub(r"\.(\d*)$", r"%2E\1", name)
    if len(name) > MAX_BYTES:
        name = _shortened(name, text)
    return name


def unique_name(text: str, taken: Iterable[str]) -> str:
    """Return :func:`safe_name`, made unlike every name in ``taken``, whatever their case."""
    name = plain = safe_name(text)
    others = {other.casefold() for other in taken}
    count = 0
    while name.casefold() in others:
        # Numbered, because a stranger may choose texts so that the same one comes thrice:
        # the screen of "a" and the camera of "a--screen", say.
        name = _shortened(plain, text if not count else f"{text}/{count}")
        count += 1
    return name


def folder_name(room: str, started_at: datetime, suffix: str) -> str:
    """Return the name of a recording's folder; ``suffix`` tells twins apart."""
    moment = started_at.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return f"{safe_name(room)}--{moment}--{suffix}"


def _shortened(name: str, text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]
    kept = name[: MAX_BYTES - _HASH_DIGITS - 1]
    # Not in the middle of a percent code: "%C" would be no name of ours.
    return f"{re.sub(r'%.?$', '', kept)}~{digest}"
