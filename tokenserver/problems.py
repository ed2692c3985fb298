"""Refusals as HTTP answers: ``application/problem+json`` (RFC 9457)."""

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from tokenserver.refusals import Code, FieldError

_ANSWERS: Final[Mapping[Code, tuple[int, str]]] = {
    Code.MALFORMED_JSON: (400, "The body is not a JSON object in UTF-8."),
    Code.INVALID_REQUEST: (400, "The body does not have the form that this endpoint takes."),
    Code.BAD_HTTP: (400, "The request is not one that this server understands."),
    Code.UNAUTHENTICATED: (401, "Present an API key as `Authorization: Bearer`."),
    Code.ROLE_NOT_HELD: (403, "The caller does not hold this role."),
    Code.ROOM_NOT_ALLOWED: (403, "This room is not allowed."),
    Code.IDENTITY_RESERVED: (403, "This identity is kept for bots."),
    Code.FIELD_NOT_SETTABLE: (403, "The role may not choose this field."),
    Code.NOT_LOCAL: (403, "A development server answers callers on its own machine only."),
    Code.ORIGIN_NOT_ALLOWED: (403, "Pages of this origin may not call this server."),
    Code.NOT_FOUND: (404, "There is nothing here."),
    Code.METHOD_NOT_ALLOWED: (405, "This address does not take this method."),
    Code.REQUEST_TIMEOUT: (408, "The body took too long to arrive."),
    Code.BODY_TOO_LARGE: (413, "The body is too large."),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "Send the body as application/json, not compressed."),
    Code.EXPECTATION_FAILED: (417, "Only `Expect: 100-continue` is understood."),
    Code.WRONG_HOST: (421, "A development server answers to its loopback address only."),
    Code.INVALID_VALUE: (422, "A field has a value that is not allowed."),
    Code.LIMIT_EXCEEDED: (422, "A field is larger than allowed."),
    Code.ROOM_REQUIRED: (422, "Name a room."),
    Code.ROOM_CONFIG_NOT_SUPPORTED: (422, "A client may not configure the room."),
    Code.INTERNAL: (500, "The server made a mistake."),
    Code.NOT_READY: (503, "The server is not ready."),
}
_HEADERS: Final[Mapping[Code, Mapping[str, str]]] = {
    Code.UNAUTHENTICATED: {"WWW-Authenticate": 'Bearer realm="roomcast"'},
    Code.REQUEST_TIMEOUT: {"Connection": "close"},
    Code.NOT_READY: {"Retry-After": "2"},
}


def problem(
    code: Code,
    request_id: str,
    errors: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return the answer for ``code``; it holds nothing of the request."""
    status, title = _ANSWERS[code]
    document = {
        "type": f"urn:roomcast:problem:{code}",
        "title": title,
        "status": status,
        "code": str(code),
        "request_id": request_id,
        "errors": [{"field": error.field, "code": error.code} for error in errors],
    }
    return web.Response(
        body=json.dumps(document).encode(),
        status=status,
        content_type="application/problem+json",
        headers={**_HEADERS.get(code, {}), **(headers or {})},
    )
