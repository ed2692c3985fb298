import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.tokenserver.examples import SIGNING_KEY, policy
from tests.waiting import soon
from tokenserver.app import make_app
from tokenserver.serving import Address, listening

CANARY = b"rck_canary"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = make_app(
        policy(), SIGNING_KEY, sfu_url="ws://127.0.0.1:9", page_directory=Path("/nonexistent")
    )
    async with listening(app, Address("127.0.0.1", 0)) as url:
        yield int(url.rpartition(":")[2])


async def send(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Return head and body of what comes back before the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nAuthorization : Bearer " + CANARY + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + CANARY + b"\x00\r\n\r\n",
        b"GET /" + CANARY * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + CANARY * 2000 + b"\r\n\r\n",
        b"\x16\x03\x01 " + CANARY + b"\r\n\r\n",
        b"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + CANARY + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + CANARY + b"\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_http_are_a_problem_that_quotes_nothing(
    port: int, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    head, body = await send(port, request_)

    document = json.loads(body)
    assert head.split()[1] == b"400"
    assert (document["status"], document["code"]) == (400, "bad_http")
    assert b"Content-Type: application/problem+json" in head
    assert CANARY not in head + body
    formatter = logging.Formatter()
    log = "".join(
        formatter.format(record) + repr(record.__dict__.get("facts"))
        for record in caplog.records
        if record.name != "asyncio"
    )
    assert "bad HTTP" in log
    assert CANARY.decode() not in log


async def test_a_client_that_leaves_in_the_middle_is_a_refusal_and_no_crash(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    writer.close()
    await writer.wait_closed()

    line = (await soon(lambda: _audited(caplog), "the refusal is in the log"))[0]
    assert line["reason"] == "the body breaks off"
    assert "tokenserver.crash" not in {record.name for record in caplog.records}


def _audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [
        record.__dict__["facts"] for record in caplog.records if record.name == "tokenserver.audit"
    ]
