"""Takes a JSON body off the wire, no more of it and no longer than allowed."""

import asyncio
from typing import Final

from aiohttp import hdrs, web

from tokenserver.refusals import Code, RefusedError

BODY_S: Final = 10.0


async def read_body(request: web.Request, limit: int, within_s: float = BODY_S) -> bytes:
    """Return the body, of at most ``limit`` bytes, once its headers say that it is JSON.

    Raises :exc:`RefusedError` for another type, a compressed body, one that is too large, and
    one that is not there after ``within_s``.
    """
    _require_json(request)
    if (request.content_length or 0) > limit:
        raise RefusedError(Code.BODY_TOO_LARGE, "the body is larger than the policy's limit")
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.content.iter_chunked(limit + 1):
                body += chunk
                if len(body) > limit:
                    reason = "the body is larger than the policy's limit"
                    raise RefusedError(Code.BODY_TOO_LARGE, reason)
    except TimeoutError:
        raise RefusedError(Code.REQUEST_TIMEOUT, "the body did not arrive in time") from None
    except (web.RequestPayloadError, ConnectionError):
        raise RefusedError(Code.MALFORMED_JSON, "the body breaks off") from None
    return bytes(body)


def _require_json(request: web.Request) -> None:
    types = request.headers.getall(hdrs.CONTENT_TYPE, ())
    is_json = len(types) == 1 and request.content_type == "application/json"
    if not is_json or (request.charset or "utf-8").lower() != "utf-8":
        raise RefusedError(Code.UNSUPPORTED_MEDIA_TYPE, "the body is not declared as JSON")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise RefusedError(Code.UNSUPPORTED_MEDIA_TYPE, "the body is compressed")
