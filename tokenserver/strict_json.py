"""JSON as a request may send it: one object, in UTF-8, that can be read in one way only."""

import json
from typing import Final, Never

from tokenserver.refusals import Code, RefusedError

MAX_DEPTH: Final = 8


def parse_object(raw: bytes) -> dict[str, object]:
    """Return the JSON object in ``raw``.

    Raises :exc:`RefusedError` for everything that two parsers could read differently: keys
    that stand twice, NaN, half a surrogate pair, a byte order mark, nesting deeper than
    :data:`MAX_DEPTH`.
    """
    try:
        document: object = json.loads(
            raw.decode(), object_pairs_hook=_distinct, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise _malformed("the body is not UTF-8") from None
    except (ValueError, RecursionError):  # a number of thousands of digits is a ValueError, too
        raise _malformed("the body is not JSON") from None
    if not isinstance(document, dict):
        raise _malformed("the body is not a JSON object")
    _check(document, 1)
    return document


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _malformed("a key stands twice in one object")
    return document


def _no_constant(_: str) -> Never:
    raise _malformed("NaN and Infinity are not JSON")


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _malformed("the body is nested too deeply")
    if isinstance(value, str):
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise _malformed("a string holds half of a surrogate pair")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def _malformed(reason: str) -> RefusedError:
    return RefusedError(Code.MALFORMED_JSON, reason)
