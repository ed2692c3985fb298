from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.clock import LoopClock
from agent.dev.ports import choose_port
from agent.diagnosis import (
    Answer,
    Check,
    check_connection,
    check_folder,
    check_secret,
    check_versions,
)
from agent.errors import AccessError, JoinError
from agent.room import Access, Room
from tests.fake_room import FakeRoom, FakeSfu

TOKEN = "eyJhbGciOi.canary.c2ln"


@dataclass
class Server:
    """Answers as an SFU does, or as a test wants."""

    status: int = 200
    validated: int = 200
    ahead: timedelta = timedelta()
    shown: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/", self._root)
        app.router.add_get("/rtc/validate", self._validate)
        server = TestServer(app)
        await server.start_server()
        try:
            yield f"ws://127.0.0.1:{server.port}"
        finally:
            await server.close()

    async def _root(self, _request: web.Request) -> web.Response:
        return self._answer(self.status)

    async def _validate(self, request: web.Request) -> web.Response:
        self.shown = request.headers.get("Authorization", "")
        return self._answer(self.validated, f"invalid token: {TOKEN}")

    def _answer(self, status: int, text: str = "OK") -> web.Response:
        date = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        return web.Response(status=status, text=text, headers={"Date": date})


@dataclass(frozen=True)
class Tokens:
    url: str
    error: AccessError | None = None

    async def access(self) -> Access:
        if self.error:
            raise self.error
        return Access(self.url, TOKEN)


async def ask(
    server: Server,
    *,
    endpoint: str = "",
    new_room: Callable[[], Room] | None = None,
) -> dict[str, Check]:
    async with server.running() as url:
        checks = check_connection(Tokens(url), endpoint=endpoint, new_room=new_room)
        return {check.name: check async for check in checks}


async def ask_at(url: str) -> list[Check]:
    return [check async for check in check_connection(Tokens(url))]


async def test_a_server_that_is_well_passes_every_question() -> None:
    server = Server()

    checks = await ask(server)

    assert list(checks) == ["network", "server", "clock", "token"]
    assert {check.answer for check in checks.values()} == {Answer.YES}
    assert server.shown == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("server", "name", "said"),
    [
        (Server(status=406), "server", "isn't well (406)"),
        (Server(status=502), "server", "answers 502 instead of 200"),
        (Server(validated=401), "token", "refuses it (401)"),
        (Server(validated=404), "token", "no LiveKit server there, or no such room (404)"),
        (Server(validated=500), "token", "answers 500"),
    ],
)
async def test_what_the_server_refuses_is_the_server_s(
    server: Server, name: str, said: str
) -> None:
    check = (await ask(server))[name]

    assert check.answer is Answer.NO
    assert check.exit_code == 3
    assert said in check.found
    assert check.advice


async def test_the_server_s_words_are_not_repeated() -> None:
    checks = await ask(Server(validated=401))

    assert TOKEN not in repr(checks)


async def test_the_advice_for_a_refused_token_names_who_signed_it() -> None:
    ours = await ask(Server(validated=401))
    theirs = await ask(Server(validated=401), endpoint="http://tokens")

    assert "LIVEKIT_API_KEY" in ours["token"].advice
    assert "the token endpoint's key" in theirs["token"].advice


@pytest.mark.parametrize(
    ("ahead_s", "answer", "code", "said"),
    [
        (0, Answer.YES, 0, "agrees"),
        (20, Answer.WARNING, 0, "behind the server's"),
        (-20, Answer.WARNING, 0, "ahead of the server's"),
        (90, Answer.NO, 2, "our clock is 90 s behind"),
    ],
)
async def test_a_clock_that_is_off_is_told_and_by_how_much(
    ahead_s: int, answer: Answer, code: int, said: str
) -> None:
    check = (await ask(Server(ahead=timedelta(seconds=ahead_s))))["clock"]

    assert (check.answer, check.exit_code) == (answer, code)
    assert said in check.found


async def test_with_a_clock_that_is_far_off_the_token_s_refusal_is_put_down_to_it() -> None:
    checks = await ask(Server(validated=401, ahead=timedelta(hours=1)))

    assert checks["token"].advice == "mend the clock first"


async def test_an_endpoint_that_gives_no_token_ends_the_questions() -> None:
    refused = AccessError("http://tokens", "HTTP 403", retry=False)
    down = AccessError("http://tokens", "can't connect")

    told = [
        [check async for check in check_connection(Tokens("", error), endpoint="http://tokens")]
        for error in (refused, down)
    ]

    assert [[check.found for check in checks] for checks in told] == [
        ["HTTP 403"],
        ["can't connect"],
    ]
    assert "ROOMCAST_TOKEN_KEY" in told[0][0].advice
    assert "ROOMCAST_TOKEN_URL" in told[1][0].advice


async def test_where_nothing_listens_the_questions_end() -> None:
    [check] = await ask_at(f"ws://127.0.0.1:{choose_port(0, 0)}")

    assert (check.name, check.exit_code) == ("network", 3)
    assert "can't connect" in check.found


async def test_a_host_that_nobody_knows_is_told() -> None:
    [check] = await ask_at("ws://nobody.invalid:7880")

    assert "nobody.invalid" in check.found
    assert check.exit_code == 3


async def test_tls_where_none_is_spoken_is_told() -> None:
    async with Server().running() as url:
        checks = await ask_at(url.replace("ws:", "wss:"))

    assert [(check.name, check.answer) for check in checks] == [
        ("network", Answer.YES),
        ("server", Answer.NO),
    ]
    assert checks[-1].found == "no TLS is spoken there"


async def test_a_room_is_joined_and_left_if_one_is_named() -> None:
    sfu = FakeSfu(LoopClock())
    rooms: list[FakeRoom] = []

    def new_room() -> Room:
        rooms.append(FakeRoom(sfu, "demo"))
        return rooms[-1]

    sfu.refuse_joins(JoinError("demo", "ws://fake", "the room is full"))

    check = (await ask(Server(), new_room=new_room))["join"]

    assert (check.answer, check.exit_code) == (Answer.NO, 3)
    assert "the room is full" in check.found
    assert len(rooms) == 1


def test_a_folder_that_can_be_written_is_not_made_yet(tmp_path: Path) -> None:
    check = check_folder(tmp_path / "a" / "b")

    assert check.answer is not Answer.NO
    assert "GB free" in check.found
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_t_be_written_is_yours_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    check = check_folder(tmp_path / "file" / "rec")

    assert (check.answer, check.exit_code) == (Answer.NO, 2)


def test_what_is_installed_is_told() -> None:
    found = check_versions().found

    assert all(f"{name} " in found for name in ("python", "livekit", "av"))


def test_a_short_secret_is_warned_of_and_not_shown() -> None:
    check = check_secret("short")

    assert check is not None
    assert check.exit_code == 0
    assert "short" not in check.found.replace("shorter", "")


def test_a_long_secret_is_no_matter() -> None:
    assert check_secret("x" * 32) is None
