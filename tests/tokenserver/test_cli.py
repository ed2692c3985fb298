import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.tokenserver.examples import HOST_KEY, SECRET, TEXT, TEXT_WITH_GUESTS
from tokenserver.callers import api_key_sha256

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LIVEKIT_URL": "ws://127.0.0.1:7880",
    "LIVEKIT_API_KEY": "k1",
    "LIVEKIT_API_SECRET": SECRET,
}
SERVE = ("serve", "--listen", "127.0.0.1:0", "--announce")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tokenserver", *arguments]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT)
    return path


class Server:
    """A running ``roomcast-tokens serve`` whose standard input is a pipe."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            command(*SERVE, *arguments),
            env=ENVIRONMENT | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline() or "{}").get("url")

    def finish(self) -> tuple[int, str]:
        """Wait for the end and return the exit code and standard error."""
        _, log = self.process.communicate(timeout=10)
        return self.process.returncode, log


@pytest.fixture
def dev_server() -> Iterator[Server]:
    server = Server("--dev", "--until-stdin-closes", "--log-format", "json")
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.finish()


def ask(server: Server, **headers: str) -> dict[str, str]:
    body = b'{"room_name": "lobby"}'
    request = Request(
        f"{server.url}/v1/token", body, {"Content-Type": "application/json", **headers}
    )
    with urlopen(request, timeout=5) as response:
        answer: dict[str, str] = json.load(response)
    return answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_tells_where_it_listens_and_ends_well_on_a_signal(
    dev_server: Server, number: signal.Signals
) -> None:
    assert ask(dev_server)["server_url"] == "ws://127.0.0.1:7880"

    dev_server.process.send_signal(number)
    code, log = dev_server.finish()

    assert code == 0
    assert f"listening on {dev_server.url}" in log
    assert '"verdict": "granted"' in log
    assert SECRET not in log


def test_a_server_ends_with_the_pipe_on_its_standard_input(dev_server: Server) -> None:
    assert dev_server.process.stdin is not None

    dev_server.process.stdin.close()
    dev_server.process.stdin = None

    assert dev_server.finish()[0] == 0


def test_a_server_with_a_policy_knows_its_callers(policy_file: Path) -> None:
    server = Server("--policy", str(policy_file))
    try:
        answer = ask(server, Authorization=f"Bearer {HOST_KEY}")
    finally:
        server.process.terminate()
        code, _ = server.finish()

    assert answer["server_url"] == "wss://rtc.example.com"
    assert code == 0


def test_a_second_signal_ends_at_once(policy_file: Path) -> None:
    server = Server("--policy", str(policy_file))
    host, port = server.url.removeprefix("http://").split(":")
    # A request whose body never comes keeps the server waiting for its end.
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            b"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\n"
            b"Authorization: Bearer " + HOST_KEY.encode() + b"\r\nContent-Length: 9\r\n\r\n"
        )
        assert slow.recv(100).startswith(b"HTTP/1.1 100 Continue")
        server.process.terminate()
        deadline = time.monotonic() + 5
        while _accepts(host, int(port)):
            assert time.monotonic() < deadline
        server.process.terminate()
        started = time.monotonic()
        code, _ = server.finish()

    assert code == 130
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (("serve",), {}, "serve needs --policy FILE"),
        (("serve", "--policy", "/nowhere"), {}, "can't read the policy file /nowhere"),
        (("serve", "--dev", "--listen", "0.0.0.0:0"), {}, "--dev listens on a loopback"),
        (("serve", "--dev", "--listen", "8080"), {}, "write HOST:PORT"),
        (("serve", "--dev"), {"LIVEKIT_URL": ""}, "--dev needs LIVEKIT_URL"),
        (("serve", "--dev"), {"LIVEKIT_API_SECRET": ""}, "set LIVEKIT_API_KEY and"),
        (("serve", "--colour"), {}, "No such option"),
    ],
)
def test_what_the_operator_has_to_change_is_a_sentence_and_exit_code_2(
    arguments: tuple[str, ...], environment: dict[str, str], sentence: str
) -> None:
    ended = run(*arguments, **environment)

    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("serve", "--dev", "--listen", address)

    assert ended.returncode == 2
    assert f"can't listen on {address}: " in ended.stderr


def test_an_anonymous_caller_is_for_development_only(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT_WITH_GUESTS)

    ended = run("serve", "--policy", str(path))

    assert ended.returncode == 2
    assert "the policy has an anonymous caller" in ended.stderr


def test_a_weak_secret_is_refused_outside_development(policy_file: Path) -> None:
    ended = run("serve", "--policy", str(policy_file), LIVEKIT_API_SECRET="canary")

    assert ended.returncode == 2
    assert "shorter than 32 bytes" in ended.stderr
    assert "canary" not in ended.stderr


def test_a_sound_policy_passes_the_check(policy_file: Path) -> None:
    assert run("check", str(policy_file)).returncode == 0


def test_a_policy_with_mistakes_is_told_line_by_line(policy_file: Path) -> None:
    policy_file.write_text(TEXT.replace("version: 1", "version: 1\ncolour: blue"))

    ended = run("check", str(policy_file))

    assert ended.returncode == 2
    assert f"{policy_file}:2: colour: is not a key" in ended.stderr


def test_a_new_key_comes_with_the_hash_for_the_policy() -> None:
    key, digest = (line.split()[-1] for line in run("keys", "gen").stdout.splitlines())

    assert api_key_sha256(key) == digest


def test_the_version_is_printed() -> None:
    assert run("--version").stdout.startswith("roomcast-tokens ")


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.1).close()
    except OSError:
        return False
    return True
