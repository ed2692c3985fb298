"""Why a request is refused: a code for the client, a sentence for the operator's log."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What a client's program can tell refusals apart by."""

    MALFORMED_JSON = "malformed_json"
    INVALID_REQUEST = "invalid_request"
    UNAUTHENTICATED = "unauthenticated"
    ROLE_NOT_HELD = "role_not_held"
    ROOM_NOT_ALLOWED = "room_not_allowed"
    IDENTITY_RESERVED = "identity_reserved"
    FIELD_NOT_SETTABLE = "field_not_settable"
    INVALID_VALUE = "invalid_value"
    LIMIT_EXCEEDED = "limit_exceeded"
    ROOM_REQUIRED = "room_required"
    ROOM_CONFIG_NOT_SUPPORTED = "room_config_not_supported"
    NOT_LOCAL = "not_local"
    WRONG_HOST = "wrong_host"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    EXPECTATION_FAILED = "expectation_failed"
    REQUEST_TIMEOUT = "request_timeout"
    BAD_HTTP = "bad_http"
    INTERNAL = "internal"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class FieldError:
    """Which field of the request is at fault; never its value, nor a name the client made up."""

    field: str
    code: str


class RefusedError(Exception):
    """Raised wherever a request turns out to be one that is not granted.

    ``reason`` is a fixed sentence: it goes to the log, so it holds nothing of the input.
    """

    def __init__(self, code: Code, reason: str, *errors: FieldError) -> None:
        super().__init__(code, reason, *errors)
        self.code = code
        self.reason = reason
        self.errors = errors

    def __str__(self) -> str:
        return self.reason
