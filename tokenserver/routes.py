"""What each address answers."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

from aiohttp import hdrs, web

from tokenserver.body import read_body
from tokenserver.callers import identify
from tokenserver.decision import Grant, decide
from tokenserver.issuer import Issuer
from tokenserver.logs import facts
from tokenserver.names import is_sound
from tokenserver.page import Page
from tokenserver.policy import CallerRule, Policy
from tokenserver.problems import problem
from tokenserver.readiness import SfuProbe
from tokenserver.refusals import Code, FieldError, RefusedError
from tokenserver.strict_json import parse_object
from tokenserver.token_request import TokenRequest, read_token_request

AUDIT: Final = logging.getLogger("tokenserver.audit")
PREFLIGHT_S: Final = 600


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers work with. ``now`` returns seconds since 1970."""

    policy: Policy
    issuer: Issuer
    page: Page
    now: Callable[[], float]


SERVICE = web.AppKey("SERVICE", Service)
SFU_PROBE = web.AppKey("SFU_PROBE", SfuProbe)
REQUEST_ID = web.RequestKey("REQUEST_ID", str)


def add_routes(app: web.Application) -> None:
    """Register every address, and for all others an answer of our own."""
    router = app.router
    router.add_post("/v1/token", post_token, expect_handler=expect)
    router.add_route(hdrs.METH_OPTIONS, "/v1/token", preflight, expect_handler=expect)
    router.add_get("/healthz", healthz, expect_handler=expect)
    router.add_get("/readyz", readyz, expect_handler=expect)
    router.add_get("/", index, expect_handler=expect)
    router.add_get(r"/assets/{name:\w[\w.-]*}", asset, expect_handler=expect)
    router.add_get(r"/{name:\w[\w-]*\.\w+}", icon, expect_handler=expect)
    router.add_route(hdrs.METH_ANY, "/{elsewhere:.*}", nowhere, expect_handler=expect)


async def expect(request: web.Request) -> None:
    """Ask for the body if the client waits for that.

    Other expectations are refused by the middleware, because an error that is raised here
    would not pass through it.
    """
    if request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # else the server thinks that the answer has begun


async def post_token(request: web.Request) -> web.Response:
    """Answer LiveKit's standard token request; every verdict leaves a line in the audit log."""
    service = request.app[SERVICE]
    caller = asked = None
    try:
        caller = identify(service.policy, request.headers.getall(hdrs.AUTHORIZATION, ()))
        asked = read_token_request(
            parse_object(await read_body(request, service.policy.limits.body))
        )
        grant = decide(asked, caller, service.policy, secrets.token_hex(8))
    except RefusedError as refused:
        _audit_refusal(request, caller, asked, refused)
        raise
    token = service.issuer.sign(grant, int(service.now()), secrets.token_hex(16))
    _audit_grant(request, caller, grant)
    return web.json_response(
        {
            "server_url": service.policy.server_url,
            "participant_token": token,
            "room_name": grant.room,
            "participant_name": grant.name,
        },
        status=201,
    )


async def preflight(request: web.Request) -> web.Response:
    """Answer a browser that asks whether a page of another origin may send the request."""
    if request.headers.get(hdrs.ORIGIN) not in request.app[SERVICE].policy.cors.origins:
        raise RefusedError(Code.ORIGIN_NOT_ALLOWED, "the policy does not list the origin")
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "POST",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type",
            hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_S),
        },
    )


async def healthz(_: web.Request) -> web.Response:
    """Answer 200 for as long as the process can answer anything."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 if tokens that we sign are of use now, else what is missing.

    A page that is not built is reported and does no harm.
    """
    page = "built" if request.app[SERVICE].page.is_built else "missing"
    if await request.app[SFU_PROBE].is_reachable():
        return web.json_response({"status": "ready", "page": page})
    return problem(Code.NOT_READY, request[REQUEST_ID], (FieldError("sfu", "unreachable"),))


async def index(request: web.Request) -> web.StreamResponse:
    """Answer the page."""
    return request.app[SERVICE].page.index()


async def asset(request: web.Request) -> web.StreamResponse:
    """Answer a script, style sheet, font or picture of the page."""
    return request.app[SERVICE].page.asset(request.match_info["name"])


async def icon(request: web.Request) -> web.StreamResponse:
    """Answer a file that lies beside the page."""
    return request.app[SERVICE].page.icon(request.match_info["name"])


async def nowhere(request: web.Request) -> Never:
    """Tell an address that does not exist from one that does not take the method."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != "/{elsewhere}":
            methods |= (await resource.resolve(request))[1]
    if methods:
        raise web.HTTPMethodNotAllowed(request.method, methods)
    raise web.HTTPNotFound


def _audit_grant(request: web.Request, caller: CallerRule, grant: Grant) -> None:
    AUDIT.info(
        "token granted",
        extra=facts(
            verdict="granted",
            caller=caller.name,
            identity=grant.identity,
            room=grant.room,
            role=grant.role,
            ttl_s=grant.ttl_s,
            request_id=request[REQUEST_ID],
        ),
    )


def _audit_refusal(
    request: web.Request,
    caller: CallerRule | None,
    asked: TokenRequest | None,
    refused: RefusedError,
) -> None:
    AUDIT.warning(
        "token refused",
        extra=facts(
            verdict="refused",
            caller=caller.name if caller else None,
            identity=_loggable(asked.participant_identity if asked else None),
            room=_loggable(asked.room_name if asked else None),
            code=refused.code,
            reason=refused.reason,
            request_id=request[REQUEST_ID],
        ),
    )


def _loggable(name: str | None) -> str | None:
    """Return ``name`` if it could be one at all: nobody fills the log with other things."""
    return name if name is None or is_sound(name) else "(not a name)"
