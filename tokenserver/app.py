"""The HTTP application: what every answer has in common, whatever it answers."""

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import hdrs, web

from tokenserver.issuer import Issuer, SigningKey
from tokenserver.local import require_local
from tokenserver.logs import NoExceptionText, facts
from tokenserver.page import PAGE_DIRECTORY, Page
from tokenserver.policy import Policy
from tokenserver.problems import problem
from tokenserver.readiness import SfuProbe
from tokenserver.refusals import Code, RefusedError
from tokenserver.routes import REQUEST_ID, SERVICE, SFU_PROBE, Service, add_routes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ACCESS: Final = logging.getLogger("tokenserver.access")
_CRASH: Final = logging.getLogger("tokenserver.crash")
_HTTP: Final = logging.getLogger("tokenserver.http")
_HTTP.addFilter(NoExceptionText())

_LOGGED_PATH: Final = 200
_DEFAULT_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "roomcast",
    "X-Content-Type-Options": "nosniff",
}
_HTTP_ERRORS: Final[Mapping[int, Code]] = {
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
}


def make_app(
    policy: Policy,
    key: SigningKey,
    *,
    sfu_url: str,
    dev: bool = False,
    page_directory: Path = PAGE_DIRECTORY,
    now: Callable[[], float] = time.time,
) -> web.Application:
    """Return the application; whoever calls this decides where it listens.

    ``sfu_url`` is how this server reaches the SFU; clients get ``policy.server_url``. With
    ``dev`` it answers only callers on this machine, who must call it by a loopback name.
    ``now`` returns seconds since 1970 and is what tokens are dated with.
    """
    app = web.Application(
        middlewares=[answer, local_only] if dev else [answer],
        # A body is refused if it is compressed, so there is no reason to unpack it first.
        handler_args={
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": 75.0,
            "lingering_time": 2.0,
            "logger": _HTTP,
        },
    )
    page = Page(page_directory, policy.server_url)
    app[SERVICE] = Service(policy, Issuer(key), page, now)

    async def sfu_probe(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            app[SFU_PROBE] = SfuProbe(session, sfu_url)
            yield

    app.cleanup_ctx.append(sfu_probe)
    add_routes(app)
    return app


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler does into an answer, complete it and write it to the log."""
    started = time.monotonic()
    request[REQUEST_ID] = secrets.token_hex(8)
    response = await _answer(request, handler)
    for name, value in _DEFAULT_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    _allow_origin(request, response)
    _ACCESS.info(
        "answered",
        extra=facts(
            method=request.method,
            path=request.rel_url.raw_path[:_LOGGED_PATH],
            status=response.status,
            took_ms=round((time.monotonic() - started) * 1000, 1),
            peer=request.remote,
            request_id=request[REQUEST_ID],
        ),
    )
    return response


@web.middleware
async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse whoever is not on this machine or calls it by another name than a loopback one."""
    transport = request.transport
    own = transport.get_extra_info("sockname") if transport else None
    require_local(request.remote, request.headers.get(hdrs.HOST), own[1] if own else 0)
    return await handler(request)


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    request_id = request[REQUEST_ID]
    try:
        _require_known_expectation(request)
        return await handler(request)
    except RefusedError as refused:
        return problem(refused.code, request_id, refused.errors)
    except web.HTTPException as error:
        code = _HTTP_ERRORS.get(error.status, Code.BAD_HTTP)
        allow = error.headers.get(hdrs.ALLOW)
        return problem(code, request_id, headers={hdrs.ALLOW: allow} if allow else {})
    except Exception:  # noqa: BLE001 - the one place where a bug becomes an answer
        _CRASH.exception("a request crashed", extra=facts(request_id=request_id))
        return problem(Code.INTERNAL, request_id)


def _require_known_expectation(request: web.Request) -> None:
    if request.headers.get(hdrs.EXPECT, "100-continue").lower() != "100-continue":
        raise RefusedError(Code.EXPECTATION_FAILED, "the Expect header is not understood")


def _allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of an origin in the policy read the answer, errors and request id included."""
    if isinstance(response, web.FileResponse):
        return  # the page is for its own origin
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in request.app[SERVICE].policy.cors.origins:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Retry-After, X-Request-Id"
