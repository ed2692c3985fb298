"""What a client gets for bytes that are no HTTP: a problem as for any other refusal.

aiohttp answers them before the application is asked, and quotes what it could not read, to the
client and to the log; that may be the header with the credential.
"""

import logging
import secrets
from typing import Final

from aiohttp import web

from tokenserver.logs import facts
from tokenserver.problems import problem
from tokenserver.refusals import Code

_LOG: Final = logging.getLogger("tokenserver.http")


def answer_bad_http_with_problems(server: web.Server) -> None:
    """Make ``server``, which a runner has set up, quote nothing of what it cannot read.

    aiohttp has no parameter for this; an :class:`~aiohttp.web.AppRunner` builds the server and
    the server its protocols, so their classes are exchanged for ours once they exist.
    """
    server.__class__ = _Server


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        protocol = super().__call__()
        protocol.__class__ = _Protocol
        return protocol


class _Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the text that must not be sent
    ) -> web.StreamResponse:
        """Answer a problem, and log only the type of ``exc``."""
        request_id = secrets.token_hex(8)
        what = facts(error=type(exc).__name__, peer=request.remote, request_id=request_id)
        _LOG.warning("bad HTTP", extra=what)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, so it cannot become another one")
        response = problem(Code.BAD_HTTP if status < 500 else Code.INTERNAL, request_id)
        response.headers.update(
            {"Cache-Control": "no-store", "Server": "roomcast", "X-Request-Id": request_id}
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.force_close()
        return response
