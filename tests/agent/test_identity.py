import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.errors import AccessError, UsageError
from agent.identity import ApiKey, TokenEndpoint

KEY = "canary-key-4711"
TOKEN = "canary-token-0815"
SECRET = "canary-secret-of-at-least-32-bytes"

ANSWER = {
    "server_url": "ws://sfu.example",
    "participant_token": TOKEN,
    "room_name": "lobby",
    "participant_name": "Ann",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def endpoint(handler: Handler) -> AsyncIterator[str]:
    """Serve ``handler`` and yield its URL."""
    app = web.Application()
    app.router.add_post("/v1/token", handler)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/v1/token"))


def answers(body: object, status: int = 201, content_type: str = "application/json") -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, content_type=content_type)

    return handler


async def refusal(handler: Handler) -> AccessError:
    """Return the error that asking such an endpoint ends in; it must not name the key."""
    async with endpoint(handler) as url:
        with pytest.raises(AccessError) as raised:
            await TokenEndpoint(url, "lobby", "ann", key=KEY, timeout_s=0.2).access()
    assert KEY not in repr(raised.value)
    assert TOKEN not in repr(raised.value)
    assert str(raised.value).startswith(f"no token from {url}: ")
    return raised.value


async def test_an_endpoint_gives_address_and_token() -> None:
    async with endpoint(answers(ANSWER)) as url:
        access = await TokenEndpoint(url, "lobby", "ann").access()

    assert (access.url, access.token) == ("ws://sfu.example", TOKEN)


async def test_the_older_spelling_of_the_answer_is_understood() -> None:
    answer = {"serverUrl": "ws://sfu.example", "participantToken": TOKEN}
    async with endpoint(answers(answer, status=200)) as url:
        access = await TokenEndpoint(url, "lobby", "ann").access()

    assert (access.url, access.token) == ("ws://sfu.example", TOKEN)


async def test_an_address_of_our_own_goes_before_the_endpoints() -> None:
    async with endpoint(answers(ANSWER)) as url:
        access = await TokenEndpoint(url, "lobby", "ann", server_url="ws://inside").access()

    assert access.url == "ws://inside"


async def test_the_request_says_who_wants_to_join_which_room_with_what_key() -> None:
    asked: list[tuple[Mapping[str, object], str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append((await request.json(), request.headers.get("Authorization")))
        return web.json_response(ANSWER, status=201)

    async with endpoint(handler) as url:
        await TokenEndpoint(url, "lobby", "ann", key=KEY, name="Ann", role="bot").access()
        await TokenEndpoint(url, "lobby", "ann").access()

    everything = {
        "room_name": "lobby",
        "participant_identity": "ann",
        "participant_name": "Ann",
        "participant_attributes": {"roomcast.role": "bot"},
    }
    little = {"room_name": "lobby", "participant_identity": "ann"}
    assert asked == [(everything, f"Bearer {KEY}"), (little, None)]


async def test_each_access_is_asked_for_anew() -> None:
    asked = 0

    async def handler(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response(ANSWER | {"participant_token": f"token-{asked}"}, status=201)

    async with endpoint(handler) as url:
        source = TokenEndpoint(url, "lobby", "ann")
        tokens = [(await source.access()).token for _ in range(2)]

    assert tokens == ["token-1", "token-2"]


async def test_a_refusal_says_what_its_problem_document_says_and_is_final() -> None:
    problem = {"title": "unknown key", "status": 401, "code": "unauthenticated"}

    error = await refusal(answers(problem, 401, "application/problem+json"))

    assert error.reason == "HTTP 401, unknown key"
    assert not error.retry


@pytest.mark.parametrize("body", ["<html>", "", "[]", '"no"', '{"title": 7}'])
async def test_a_refusal_stays_one_whatever_its_document_is(body: str) -> None:
    error = await refusal(answers(body, 403, "application/problem+json"))

    assert error.reason == "HTTP 403"
    assert not error.retry


async def test_of_a_long_problem_a_sentence_is_told() -> None:
    error = await refusal(answers({"title": "x" * 5000}, 400, "application/problem+json"))

    assert len(error.reason) < 300


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_an_endpoint_that_is_down_may_be_asked_again(status: int) -> None:
    error = await refusal(answers("<html>", status, "text/html"))

    assert error.reason == f"HTTP {status}"
    assert error.retry


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"<html>{TOKEN}", "its answer is no JSON"),
        ([TOKEN], "its answer is no JSON object"),
        ("", "its answer is no JSON object"),
        ({"participant_token": TOKEN}, "its answer lacks server_url or participant_token"),
        ({"server_url": "ws://sfu"}, "its answer lacks server_url or participant_token"),
        (ANSWER | {"server_url": ""}, "its answer lacks server_url or participant_token"),
        (ANSWER | {"participant_token": 7}, "its answer lacks server_url or participant_token"),
    ],
)
async def test_an_answer_that_is_no_token_is_told_as_such(body: object, reason: str) -> None:
    error = await refusal(answers(body))

    assert error.reason == reason


async def test_an_endpoint_that_does_not_answer_is_not_waited_for() -> None:
    never = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    error = await refusal(handler)

    assert error.reason == "it did not answer within 0.2 s"
    assert error.retry


async def test_an_answer_that_breaks_off_may_be_asked_for_again() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201, headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"server_url"')
        assert request.transport is not None
        request.transport.close()
        return response

    assert (await refusal(handler)).retry


async def test_an_endpoint_that_is_not_there_is_told_as_such() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1/token"

        with pytest.raises(AccessError) as raised:
            await TokenEndpoint(url, "lobby", "ann", key=KEY).access()

    assert raised.value.reason == "can't connect: nothing listens there"
    assert raised.value.retry
    assert KEY not in repr(raised.value)


@pytest.mark.parametrize(
    "url", ["", "tokens.example/v1/token", "ftp://tokens", "http://", "ws://sfu", "http://[::1"]
)
def test_what_is_no_url_is_refused_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(UsageError, match="is no token endpoint: give an http:// or https:// URL"):
        TokenEndpoint(url, "lobby", "ann")


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX-Admin: 1", f"{KEY}\0", f"{KEY}é"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match="must be one line of ASCII") as raised:
        TokenEndpoint("http://tokens", "lobby", "ann", key=key)

    assert KEY not in str(raised.value)


def test_a_key_is_not_shown() -> None:
    assert KEY not in repr(TokenEndpoint("http://tokens", "lobby", "ann", key=KEY))


def api_key(**changes: str) -> ApiKey:
    return ApiKey(
        url="ws://sfu",
        room="lobby",
        identity=changes.get("identity", "ann"),
        api_key=changes.get("api_key", "devkey"),
        api_secret=changes.get("api_secret", SECRET),
        name=changes.get("name", ""),
    )


async def test_a_token_of_our_own_spells_every_permission_out() -> None:
    access = await api_key(name="Ann").access()

    claims = jwt.decode(access.token, SECRET, algorithms=["HS256"], issuer="devkey")
    assert access.url == "ws://sfu"
    assert (claims["sub"], claims["name"]) == ("ann", "Ann")
    assert claims["attributes"] == {"roomcast.role": "bot"}
    assert claims["video"] == {
        "roomJoin": True,
        "room": "lobby",
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
        "canUpdateOwnMetadata": True,
        "recorder": True,
        "hidden": False,
        "roomCreate": False,
        "roomList": False,
        "roomAdmin": False,
        "roomRecord": False,
        "ingressAdmin": False,
        "agent": False,
    }


async def test_a_token_of_our_own_lasts_for_the_join_only() -> None:
    claims = jwt.decode((await api_key().access()).token, SECRET, algorithms=["HS256"])

    assert claims["exp"] - claims["nbf"] == 600


async def test_without_a_name_the_identity_is_one() -> None:
    claims = jwt.decode((await api_key().access()).token, SECRET, algorithms=["HS256"])

    assert claims["name"] == "ann"


@pytest.mark.parametrize("missing", ["api_key", "api_secret"])
def test_half_a_key_is_none(missing: str) -> None:
    with pytest.raises(UsageError, match="must both be set"):
        api_key(**{missing: ""})


async def test_neither_secret_nor_token_is_shown() -> None:
    key = api_key()

    assert SECRET not in repr(key)
    assert (await key.access()).token not in repr(await key.access())


async def test_who_only_publishes_is_no_recorder() -> None:
    access = await replace(api_key(), recorder=False).access()

    assert jwt.decode(access.token, SECRET, algorithms=["HS256"])["video"]["recorder"] is False
