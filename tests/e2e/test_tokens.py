"""Tokens of the real token server, at the door of a real SFU."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from agent.dev.sfu import Sfu
from agent.errors import AccessError, ServiceError
from agent.identity import TokenEndpoint
from agent.room import AudioOptions, Participant, ParticipantJoined, Source, VideoOptions
from agent.rtc.room import RtcRoom
from agent.session import Session, joined
from tests.e2e.guest import guest
from tests.tokenserver.examples import BOT_KEY, HOST_KEY, TEXT_WITH_GUESTS
from tests.waiting import soon

pytestmark = pytest.mark.e2e

ROOM = "lobby"
ROLE = "roomcast.role"
CAMERA = VideoOptions(320, 180)
SCREEN = VideoOptions(320, 180, name="screen", source=Source.SCREEN_SHARE)


@pytest.fixture(scope="module")
def endpoint(sfu: Sfu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A token server with a policy, in a process of its own."""
    policy = tmp_path_factory.mktemp("tokens") / "policy.yaml"
    policy.write_text(TEXT_WITH_GUESTS.replace("wss://rtc.example.com", sfu.url))
    command = [sys.executable, "-m", "tokenserver", "serve", "--listen", "127.0.0.1:0"]
    command += ["--announce", "--dev", "--policy", str(policy)]
    keys = {
        "LIVEKIT_URL": sfu.url,
        "LIVEKIT_API_KEY": sfu.api_key,
        "LIVEKIT_API_SECRET": sfu.api_secret,
    }
    with (
        (policy.parent / "log").open("w") as log,
        subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"]} | keys,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as server,
    ):
        assert server.stdout is not None
        yield f"{json.loads(server.stdout.readline())['url']}/v1/token"
        server.terminate()


@asynccontextmanager
async def inside(
    endpoint: str, role: str, *, key: str = "", identity: str = ""
) -> AsyncIterator[Session]:
    """Join with a token of the token server."""
    access = TokenEndpoint(endpoint, ROOM, identity or f"a-{role}", key=key, role=role)
    async with joined(lambda: RtcRoom(auto_subscribe=False), access) as session:
        yield session


async def test_a_guest_may_publish_what_its_role_may_and_nothing_else(endpoint: str) -> None:
    async with inside(endpoint, "guest") as session:
        await session.publish_video(CAMERA)
        await session.publish_audio(AudioOptions())
        with pytest.raises(ServiceError, match="screen_share"):
            await session.publish_video(SCREEN)


async def test_a_host_may_share_a_screen(endpoint: str) -> None:
    async with inside(endpoint, "host", key=HOST_KEY) as session:
        await session.publish_video(SCREEN)


async def test_a_viewer_may_publish_nothing(endpoint: str) -> None:
    async with inside(endpoint, "viewer") as session:
        with pytest.raises(ServiceError):
            await session.publish_audio(AudioOptions())


async def test_a_guest_may_not_change_what_others_are_told_of_it(
    endpoint: str,
) -> None:
    async with inside(endpoint, "guest") as session:
        with pytest.raises(ServiceError, match="does not allow"):
            await session.set_attributes({ROLE: "bot"})


async def test_others_are_told_the_role_and_whether_it_can_be_believed(
    sfu: Sfu, endpoint: str
) -> None:
    async with guest(sfu, ROOM, "watcher") as watcher, AsyncExitStack() as others:
        for role, key in {"guest": "", "bot": BOT_KEY}.items():
            await others.enter_async_context(inside(endpoint, role, key=key))

        def seen() -> dict[str, Participant]:
            joins = [event for event in watcher.events if isinstance(event, ParticipantJoined)]
            return {event.participant.identity: event.participant for event in joins}

        await soon(lambda: {"a-guest", "a-bot"} <= set(seen()), "both are seen")
        assert seen()["a-guest"].attributes[ROLE] == "guest"
        assert not seen()["a-guest"].may_update_attributes
        assert seen()["a-bot"].attributes[ROLE] == "bot"


@pytest.mark.parametrize("key", ["", HOST_KEY, "wrong"])
async def test_only_who_has_the_bots_key_becomes_a_bot(endpoint: str, key: str) -> None:
    with pytest.raises(AccessError) as raised:
        await TokenEndpoint(endpoint, ROOM, "a-bot", key=key, role="bot").access()

    assert not raised.value.retry
    assert raised.value.exit_code == 3


async def test_a_room_that_the_policy_does_not_allow_is_refused(endpoint: str) -> None:
    with pytest.raises(AccessError, match="HTTP 403"):
        await TokenEndpoint(endpoint, "boardroom", "ann").access()
