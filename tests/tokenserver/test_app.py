import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer, unused_port
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit.api import TokenVerifier

from tests.tokenserver.examples import BOT_KEY, HOST_KEY, SECRET, SIGNING_KEY, policy
from tokenserver.app import make_app
from tokenserver.callers import api_key_sha256

Client = TestClient[web.Request, web.Application]

HOST = {"Authorization": f"Bearer {HOST_KEY}"}
BOT = {"Authorization": f"Bearer {BOT_KEY}"}
JSON = {"Content-Type": "application/json"}
ALLOWED = {"Origin": "https://app.example.com"}
CANARIES = (SECRET, HOST_KEY, BOT_KEY, api_key_sha256(HOST_KEY))


def app(*, dev: bool = False, now: Callable[[], float] = time.time) -> web.Application:
    return make_app(
        policy(),
        SIGNING_KEY,
        sfu_url=f"ws://127.0.0.1:{unused_port()}",
        dev=dev,
        page_directory=Path("/nonexistent"),
        now=now,
    )


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(app())) as client:
        yield client


@pytest.fixture
async def dev_client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(app(dev=True))) as client:
        yield client


async def errors(response: ClientResponse, status: int, code: str) -> list[dict[str, str]]:
    """Check that ``response`` is a whole problem document and return what it says of fields."""
    document = json.loads(await response.read())
    assert (response.status, document["code"]) == (status, code)
    assert document["status"] == status
    assert document["type"] == f"urn:roomcast:problem:{code}"
    assert document["title"]
    assert document["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "participant_token" not in document
    found: list[dict[str, str]] = document["errors"]
    return found


async def test_a_token_admits_to_the_room_that_was_asked_for(client: Client) -> None:
    asked = {"room_name": "lobby", "participant_name": "Ann", "participant_identity": "ann"}

    response = await client.post("/v1/token", json=asked)
    answer = await response.json()
    claims = TokenVerifier("k1", SECRET).verify(answer.pop("participant_token"))

    assert response.status == 201
    assert answer == {
        "server_url": "wss://rtc.example.com",
        "room_name": "lobby",
        "participant_name": "Ann",
    }
    assert response.headers["Cache-Control"] == "no-store"
    assert claims.video is not None
    assert (claims.identity, claims.video.room) == ("ann", "lobby")


async def test_two_callers_who_name_nothing_never_meet_as_one(client: Client) -> None:
    answers = [
        await (await client.post("/v1/token", json={"room_name": "lobby"})).json() for _ in range(2)
    ]
    first, second = (
        TokenVerifier("k1", SECRET).verify(answer["participant_token"]) for answer in answers
    )

    assert first.identity != second.identity
    assert first.identity.startswith("guest-")


@pytest.mark.parametrize(
    ("headers", "asked", "role"),
    [({}, None, "guest"), (HOST, "host", "host"), (BOT, None, "bot"), ({}, "viewer", "viewer")],
)
async def test_the_granted_role_is_in_the_token(
    client: Client, headers: dict[str, str], asked: str | None, role: str
) -> None:
    body = {"room_name": "lobby"} | (
        {"participant_attributes": {"roomcast.role": asked}} if asked else {}
    )

    answer = await (await client.post("/v1/token", json=body, headers=headers)).json()

    claims = TokenVerifier("k1", SECRET).verify(answer["participant_token"])
    assert claims.attributes == {"roomcast.role": role}


async def test_a_role_that_the_caller_does_not_hold_is_a_problem(client: Client) -> None:
    body = {"room_name": "lobby", "participant_attributes": {"roomcast.role": "bot"}}

    response = await client.post("/v1/token", json=body, headers=HOST)

    assert await errors(response, 403, "role_not_held") == [
        {"field": "participant_attributes", "code": "role"}
    ]


async def test_a_wrong_key_is_told_how_to_present_one(client: Client) -> None:
    response = await client.post("/v1/token", json={}, headers={"Authorization": "Bearer nobody"})

    assert await errors(response, 401, "unauthenticated") == []
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="roomcast"'


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "malformed_json"),
        (b"", JSON, 400, "malformed_json"),
        (b'{"grants": {}}', JSON, 400, "invalid_request"),
        (b'{"room_name": 7}', JSON, 400, "invalid_request"),
        (b'{"room_name": "office"}', JSON, 403, "room_not_allowed"),
        (
            b'{"room_name": "lobby", "participant_identity": "rec-1"}',
            JSON,
            403,
            "identity_reserved",
        ),
        (b'{"room_name": "lobby", "participant_metadata": "x"}', JSON, 403, "field_not_settable"),
        (b'{"room_name": "lobby", "participant_identity": "a#b"}', JSON, 422, "invalid_value"),
        (b"{}", JSON, 422, "room_required"),
        (b'{"room_config": {"agents": []}}', JSON, 422, "room_config_not_supported"),
        (b"{" + b" " * 1024 + b"}", JSON, 413, "body_too_large"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (
            b"{}",
            {"Content-Type": "application/json; charset=utf-16"},
            415,
            "unsupported_media_type",
        ),
        (b"{}", JSON | {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        (b"{}", JSON | {"Expect": "the-moon"}, 417, "expectation_failed"),
    ],
)
async def test_what_is_refused_is_a_problem_with_its_own_code(
    client: Client, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    await errors(await client.post("/v1/token", data=body, headers=headers), status, code)


async def test_a_body_that_does_not_tell_its_length_is_cut_off_as_well(client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    response = await client.post("/v1/token", data=endless(), headers=JSON)

    await errors(response, 413, "body_too_large")


async def test_a_client_that_waits_for_a_sign_to_go_on_gets_it(client: Client) -> None:
    response = await client.post("/v1/token", json={"room_name": "lobby"}, expect100=True)

    assert response.status == 201


@pytest.mark.parametrize("path", ["/v1", "/v2/token", "/v1/token/", "/metrics", "/%00"])
async def test_an_address_that_does_not_exist_is_a_problem(client: Client, path: str) -> None:
    await errors(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/token", "OPTIONS,POST"),
        ("PUT", "/v1/token", "OPTIONS,POST"),
        ("POST", "/healthz", "GET,HEAD"),
        ("DELETE", "/", "GET,HEAD"),
    ],
)
async def test_another_method_is_a_problem_that_names_the_right_ones(
    client: Client, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)

    await errors(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


async def test_a_crash_tells_the_client_nothing_and_the_log_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> float:
        raise RuntimeError("the clock is broken")

    async with TestClient(TestServer(app(now=broken))) as client:
        response = await client.post("/v1/token", json={"room_name": "lobby"})

        await errors(response, 500, "internal")
    assert "the clock is broken" not in await response.text()
    crash = next(record for record in caplog.records if record.name == "tokenserver.crash")
    assert crash.exc_info is not None
    assert str(crash.exc_info[1]) == "the clock is broken"


async def test_a_page_of_a_listed_origin_may_read_answers_and_problems(client: Client) -> None:
    granted = await client.post("/v1/token", json={"room_name": "lobby"}, headers=ALLOWED)
    refused = await client.post("/v1/token", json={}, headers=ALLOWED)

    assert (granted.status, refused.status) == (201, 422)
    for response in (granted, refused):
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
        assert response.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.com.evil.example", "null", "*"]
)
async def test_a_page_of_another_origin_may_not(client: Client, origin: str) -> None:
    answer = await client.post("/v1/token", json={"room_name": "lobby"}, headers={"Origin": origin})
    preflight = await client.options("/v1/token", headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Access-Control-Allow-Origin" not in preflight.headers
    await errors(preflight, 403, "origin_not_allowed")


async def test_a_browser_may_ask_before_it_sends(client: Client) -> None:
    response = await client.options(
        "/v1/token",
        headers={
            **ALLOWED,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )

    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"


async def test_a_development_server_serves_who_calls_it_by_its_address(dev_client: Client) -> None:
    response = await dev_client.post("/v1/token", json={"room_name": "lobby"})

    assert response.status == 201


@pytest.mark.parametrize("path", ["/v1/token", "/", "/healthz"])
async def test_a_development_server_answers_to_no_other_name(dev_client: Client, path: str) -> None:
    response = await dev_client.post(path, json={}, headers={"Host": "evil.example"})

    await errors(response, 421, "wrong_host")


async def test_a_development_server_answers_to_no_other_port(dev_client: Client) -> None:
    response = await dev_client.post("/v1/token", json={}, headers={"Host": "localhost:1"})

    await errors(response, 421, "wrong_host")


async def test_the_process_is_healthy_when_it_answers(client: Client) -> None:
    response = await client.get("/healthz")

    assert (response.status, await response.json()) == (200, {"status": "alive"})


async def test_without_the_sfu_the_server_is_not_ready_and_says_so(client: Client) -> None:
    response = await client.get("/readyz")

    assert await errors(response, 503, "not_ready") == [{"field": "sfu", "code": "unreachable"}]
    assert response.headers["Retry-After"] == "2"


async def test_with_the_sfu_it_is_ready_even_without_a_page() -> None:
    async def healthy(_: web.Request) -> web.Response:
        return web.Response()

    sfu = web.Application()
    sfu.router.add_get("/", healthy)
    async with TestServer(sfu) as server:
        ours = make_app(
            policy(),
            SIGNING_KEY,
            sfu_url=f"ws://127.0.0.1:{server.port}",
            page_directory=Path("/nonexistent"),
        )
        async with TestClient(TestServer(ours)) as client:
            response = await client.get("/readyz")

            assert response.status == 200
            assert await response.json() == {"status": "ready", "page": "missing"}


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [
        record.__dict__["facts"] for record in caplog.records if record.name == "tokenserver.audit"
    ]


async def test_a_grant_leaves_a_line_that_says_who_may_what_where(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = {"room_name": "lobby", "participant_identity": "ann"}

    response = await client.post("/v1/token", json=body)

    assert audited(caplog) == [
        {
            "verdict": "granted",
            "caller": "guests",
            "identity": "ann",
            "room": "lobby",
            "role": "guest",
            "ttl_s": 600,
            "request_id": response.headers["X-Request-Id"],
        }
    ]


async def test_a_refusal_leaves_a_line_with_its_reason(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"room_name": "office", "participant_identity": "a\nforged line"}

    response = await client.post("/v1/token", json=body, headers=HOST)

    assert audited(caplog) == [
        {
            "verdict": "refused",
            "caller": "backend",
            "identity": "(not a name)",
            "room": "office",
            "code": "room_not_allowed",
            "reason": "the policy does not allow the room",
            "request_id": response.headers["X-Request-Id"],
        }
    ]


async def test_the_access_log_leaves_out_the_query(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    await client.get("/healthz?access_token=canary")

    paths = [
        record.__dict__["facts"]["path"]
        for record in caplog.records
        if record.name == "tokenserver.access"
    ]
    assert paths == ["/healthz"]


async def raw(client: Client, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(request)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_no_secret_reaches_a_log_or_an_error(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = (
        await (await client.post("/v1/token", json={"room_name": "lobby"}, headers=BOT)).json()
    )["participant_token"]
    broken = {"room_name": HOST_KEY * 30, "participant_identity": f"{SECRET} ", SECRET: BOT_KEY}
    answers = [
        await (await client.post(f"/v1/token?key={HOST_KEY}", json=broken, headers=HOST)).text(),
        await (await client.get(f"/v1?key={HOST_KEY}", headers=HOST)).text(),
    ]
    malformed = f"GET / HTTP/1.1\r\nAuthorization : Bearer {HOST_KEY}\r\n\r\n"
    await raw(client, malformed.encode())

    log = "\n".join(
        logging.Formatter().format(record) + repr(record.__dict__.get("facts"))
        for record in caplog.records
        if record.name.startswith(("tokenserver", "aiohttp"))
    )
    assert "bad HTTP: " in log
    for canary in (*CANARIES, token, token.rpartition(".")[2]):
        assert canary not in log
        assert all(canary not in answer for answer in answers)


texts = st.one_of(st.text(max_size=20), st.sampled_from(["lobby", "ann", "host", "rec-1"]))
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    [
        "room_name",
        "participant_name",
        "participant_identity",
        "participant_metadata",
        "participant_attributes",
        "room_config",
    ]
)
bodies = st.one_of(
    st.binary(max_size=100),
    st.dictionaries(fields | st.text(max_size=5), values, max_size=6).map(
        lambda document: json.dumps(document).encode()
    ),
)


@settings(max_examples=10)
@given(st.lists(bodies, min_size=20, max_size=20))
def test_no_body_makes_the_server_fail(sent: list[bytes]) -> None:
    async def send() -> None:
        async with TestClient(TestServer(app())) as client:
            for body in sent:
                response = await client.post("/v1/token", data=body, headers=JSON | HOST)
                if response.status == 201:
                    TokenVerifier("k1", SECRET).verify((await response.json())["participant_token"])
                else:
                    assert 400 <= response.status < 500
                    assert response.headers["Content-Type"] == "application/problem+json"

    asyncio.run(send())
