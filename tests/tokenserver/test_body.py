import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tokenserver.body import read_body
from tokenserver.refusals import RefusedError

LIMIT = 20


async def tell(request: web.Request) -> web.Response:
    """Answer the body, or the code with which it was refused."""
    try:
        return web.Response(body=await read_body(request, LIMIT, within_s=0.2))
    except RefusedError as refused:
        return web.Response(text=refused.code)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = web.Application(handler_args={"auto_decompress": False, "lingering_time": 0.0})
    app.router.add_post("/", tell)
    async with TestServer(app) as server:
        assert server.port is not None
        yield server.port


async def send(port: int, *headers: str, body: bytes = b"") -> str:
    """Send a request whose connection stays open, and return the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "\r\n".join(["POST / HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""])
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2].decode()


JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "declared", [JSON, JSON + "; charset=UTF-8", "content-type: Application/JSON"]
)
async def test_a_body_up_to_the_limit_is_taken(port: int, declared: str) -> None:
    body = b"x" * LIMIT

    assert await send(port, declared, f"Content-Length: {LIMIT}", body=body) == body.decode()


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ([JSON, f"Content-Length: {LIMIT + 1}"], b"", "body_too_large"),
        ([JSON, CHUNKED], b"15\r\n" + b"x" * 21 + b"\r\n", "body_too_large"),
        ([JSON, "Content-Length: 5"], b"{", "request_timeout"),
        ([JSON, CHUNKED], b"1\r\n{\r\n", "request_timeout"),
        (["Content-Length: 2"], b"{}", "unsupported_media_type"),
        ([JSON, "Content-Encoding: br", "Content-Length: 2"], b"{}", "unsupported_media_type"),
        ([JSON + "; charset=latin-1", "Content-Length: 2"], b"{}", "unsupported_media_type"),
        (["Content-Type: application/jsonp", "Content-Length: 2"], b"{}", "unsupported_media_type"),
    ],
)
async def test_a_body_that_is_not_what_we_take_is_refused(
    port: int, headers: list[str], body: bytes, code: str
) -> None:
    assert await send(port, *headers, body=body) == code
