"""The files of ``deploy/``, run by the programs that they are for."""

import asyncio
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import pytest

from agent.dev.child import Child
from agent.dev.ports import LOOPBACK
from tests.deploy.deployment import ANSWERS, Deployment, copy_of_deploy
from tests.deploy.natively import (
    START_S,
    answer,
    caddy,
    host,
    relay,
    sfu,
    sfu_argv,
    status,
    tokens,
)
from tests.system_packages import find_program
from tokenserver.page import PAGE_DIRECTORY

pytestmark = pytest.mark.e2e

OTHER_PEERS = ("127.0.0.2", "0.0.0.0", "169.254.169.254")  # our own machine, a cloud's metadata


class Front:
    """A host with everything that speaks HTTP."""

    def __init__(self, deploy: Deployment, sfu: str, tokens: str, site: str) -> None:
        self.deploy = deploy
        self.sfu = sfu
        self.tokens = tokens
        self.site = site

    def key(self, caller: str) -> str:
        return self.deploy.text(f"secrets/{caller}_token_key")

    def ask(self, caller: str, **body: object) -> tuple[int, dict[str, object]]:
        key, url = self.key(caller), f"{self.site}/v1/token"
        code, text = answer(url, method="POST", key=key, body=json.dumps(body))
        return code, json.loads(text)


@pytest.fixture(scope="module")
def front(sfu_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    deploy = host(tmp_path_factory.mktemp("host"))
    with ExitStack() as stack:
        at = stack.enter_context(sfu(deploy, sfu_binary))
        token_server = stack.enter_context(tokens(deploy, at))
        site = stack.enter_context(caddy(deploy, sfu=at, tokens=token_server))
        yield Front(deploy, at, token_server, site)


@pytest.mark.requires_program("caddy")
def test_all_that_the_token_server_has_of_the_page_is_there(front: Front) -> None:
    if not (PAGE_DIRECTORY / "index.html").exists():
        pytest.fail("the page is not built: `make page` builds it", pytrace=False)
    names = ["", *(str(path.relative_to(PAGE_DIRECTORY)) for path in PAGE_DIRECTORY.rglob("*.*"))]

    inside = {name: status(f"http://{front.tokens}/{name}") for name in names}

    assert {name: status(f"{front.site}/{name}") for name in names} == inside
    assert inside[""] == 200
    assert any(name.startswith("assets/") and code == 200 for name, code in inside.items())


@pytest.mark.requires_program("caddy")
def test_the_backend_gets_a_token_that_the_sfu_takes(front: Front) -> None:
    code, given = front.ask("backend", room_name=ANSWERS["ROOM"], participant_identity="ann")

    assert code == 201
    assert given["server_url"] == f"wss://{ANSWERS['DOMAIN']}"
    assert status(f"{front.site}/rtc/validate", key=str(given["participant_token"])) == 200
    assert status(f"{front.site}/rtc/validate", key="no-token") == 401


@pytest.mark.requires_program("caddy")
def test_only_the_bot_s_key_gets_the_bot_s_role(front: Front) -> None:
    wish = {"participant_attributes": {"roomcast.role": "bot"}}

    assert front.ask("bot", room_name=ANSWERS["ROOM"], **wish)[0] == 201
    assert front.ask("backend", room_name=ANSWERS["ROOM"], **wish)[0] == 403


@pytest.mark.requires_program("caddy")
async def test_signalling_reaches_the_sfu(front: Front) -> None:
    _, given = await asyncio.to_thread(front.ask, "backend", room_name=ANSWERS["ROOM"])
    query = {"access_token": str(given["participant_token"]), "protocol": "15"}

    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{front.site}/rtc", params=query) as signalling,
    ):
        first = await signalling.receive_bytes(timeout=5)

    assert ANSWERS["ROOM"].encode() in first  # the answer to a join names the room


CLOSED = {
    "/twirp/livekit.RoomService/ListRooms": "POST",
    "/agent": "GET",
    "/rtcx": "GET",
    "/metrics": "GET",
    "/readyz": "GET",
    "/debug/pprof/": "GET",
}


@pytest.mark.requires_program("caddy")
@pytest.mark.parametrize("path", CLOSED)
def test_what_is_not_for_the_world_is_not_there(front: Front, path: str) -> None:
    code, body = answer(front.site + path, method=CLOSED[path])

    assert (code, body) == (404, b"")  # Caddy's own: the others' have a text


@pytest.mark.requires_program("caddy")
@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("path /rtc /rtc/*", "path /rtc /rtc/* /twirp/*", "/twirp/livekit.RoomService/ListRooms"),
        ("path / /index.html", "path /*", "/readyz"),
        ("path /rtc /rtc/*", "path /rtc*", "/rtcx"),
    ],
)
def test_a_wrong_route_would_be_noticed(
    front: Front, tmp_path: Path, old: str, new: str, path: str
) -> None:
    deploy = copy_of_deploy(tmp_path)
    text = deploy.text("Caddyfile")
    assert old in text
    (deploy.folder / "Caddyfile").write_text(text.replace(old, new, 1))

    with caddy(deploy, sfu=front.sfu, tokens=front.tokens) as site:
        assert answer(site + path, method=CLOSED[path]) != (404, b"")


@pytest.mark.requires_program("caddy")
def test_caddy_takes_the_file_for_a_domain_with_tls(tmp_path: Path) -> None:
    deploy = copy_of_deploy(tmp_path)
    done = subprocess.run(
        [str(find_program("caddy")), "validate", "--config", deploy.folder / "Caddyfile"],
        env={
            **{name: ANSWERS[name] for name in ("DOMAIN", "TURN_DOMAIN")},
            **{name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")},
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
    )

    assert done.returncode == 0, done.stderr
    assert "redirects" in done.stderr  # from port 80 to TLS


def test_a_mistyped_key_stops_the_sfu(sfu_binary: Path, tmp_path: Path) -> None:
    deploy = host(tmp_path)
    config = deploy.folder / "secrets/livekit.yaml"
    config.write_text(config.read_text().replace("udp_port:", "udp_prot:", 1))

    with Child(sfu_argv(deploy, sfu_binary), log := tmp_path / "log") as child:
        assert child.wait(START_S) is not None
    assert "udp_prot" in log.read_text()


def complaints(deploy: Deployment) -> list[str]:
    """Return what coturn says against its file; that alone does not stop it."""
    words = (
        "Bad configuration format",
        "Unknown boolean value",
        "ERROR",
        "cannot find",
        "cannot start",
    )
    lines = (deploy.folder / "relay.log").read_text().splitlines()
    return [line for line in lines if any(word in line for word in words)]


def relayed(port: int, *, secret: str, peer: str, peer_port: int = 9) -> str:
    """Send one packet to ``peer`` through the relay, and return what the client says of it."""
    done = subprocess.run(
        [
            *(str(find_program("turnutils_uclient")), "-W", secret, "-u", "ann", "-c"),
            *("-n", "1", "-m", "1", "-p", str(port), "-e", peer, "-r", str(peer_port), LOOPBACK),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
    )
    return done.stdout + done.stderr


@contextmanager
def echo() -> Iterator[int]:
    """Send each packet back, as the SFU's media port would answer; gives the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((LOOPBACK, 0))

        def answer_all() -> None:
            while (packet := peer.recvfrom(2048))[0] != b"end":
                peer.sendto(*packet)

        thread = threading.Thread(target=answer_all)
        thread.start()
        try:
            yield peer.getsockname()[1]
        finally:
            peer.sendto(b"end", peer.getsockname())
            thread.join()


@pytest.mark.requires_program("turnserver")
def test_coturn_has_no_complaint(tmp_path: Path) -> None:
    deploy = host(tmp_path)

    with relay(deploy):
        pass

    assert complaints(deploy) == []


@pytest.mark.requires_program("turnserver")
def test_a_mistyped_option_would_be_noticed(tmp_path: Path) -> None:
    deploy = host(tmp_path)
    config = deploy.folder / "secrets/turnserver.conf"
    config.chmod(0o600)
    config.write_text(config.read_text().replace("no-tcp-relay", "no-tpc-relay"))

    with relay(deploy):
        pass

    assert any("no-tpc-relay" in line for line in complaints(deploy))


@pytest.mark.requires_program("turnserver")
def test_the_relay_serves_who_has_the_secret_and_only_towards_the_sfu(tmp_path: Path) -> None:
    deploy = host(tmp_path)
    secret = deploy.text("secrets/turn_secret")

    with relay(deploy) as port, echo() as sfu_port:
        to_the_sfu = relayed(port, secret=secret, peer=ANSWERS["HOST_IP"], peer_port=sfu_port)
        elsewhere = [relayed(port, secret=secret, peer=peer) for peer in OTHER_PEERS]
        without = relayed(port, secret="another", peer=ANSWERS["HOST_IP"], peer_port=sfu_port)

    assert "Total lost packets 0 (0.000000%)" in to_the_sfu
    assert all("403 (Forbidden IP)" in said for said in elsewhere), elsewhere
    assert "Cannot complete Allocation" in without
