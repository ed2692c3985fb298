"""The body of ``POST /v1/token``: LiveKit's standard fields, every one of them optional."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tokenserver.refusals import Code, FieldError, RefusedError

_TEXTS: Final = ("room_name", "participant_name", "participant_identity", "participant_metadata")
_FIELDS: Final = frozenset({*_TEXTS, "participant_attributes", "room_config"})


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client asks for; None where it leaves the choice to us."""

    room_name: str | None = None
    participant_name: str | None = None
    participant_identity: str | None = None
    participant_metadata: str | None = None
    participant_attributes: Mapping[str, str] = field(default_factory=dict)


def read_token_request(document: Mapping[str, object]) -> TokenRequest:
    """Check the types of ``document`` and return what it asks for.

    ``null``, an empty text and an empty object mean the same as a missing key: the clients
    for Swift, Android and Flutter always send ``"room_config": {}``.
    """
    if not _FIELDS.issuperset(document):
        reason = "the body has a field that the endpoint does not know"
        raise RefusedError(Code.INVALID_REQUEST, reason, FieldError("body", "unknown_field"))
    if document.get("room_config") not in (None, {}):
        reason = "the body asks for a room configuration"
        error = FieldError("room_config", "not_supported")
        raise RefusedError(Code.ROOM_CONFIG_NOT_SUPPORTED, reason, error)
    return TokenRequest(
        **{name: _text(document, name) for name in _TEXTS},
        participant_attributes=_texts(document, "participant_attributes"),
    )


def _text(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise _wrong_type(name, "must_be_text")


def _texts(document: Mapping[str, object], name: str) -> dict[str, str]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong_type(name, "must_be_an_object_of_texts")
    texts = {key: text for key, text in value.items() if isinstance(text, str)}
    if len(texts) != len(value):
        raise _wrong_type(name, "must_be_an_object_of_texts")
    return texts


def _wrong_type(name: str, code: str) -> RefusedError:
    reason = f"{name} has the wrong type"
    return RefusedError(Code.INVALID_REQUEST, reason, FieldError(name, code))
