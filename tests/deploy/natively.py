"""Runs the programs of ``deploy/`` on this machine's loopback, from its own files.

The same commands as in compose.yaml. What differs from a host: ``/run/secrets`` is the folder that
make-secrets fills; ports and addresses are overridden in the way that each program has for that.
"""

import http.client
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agent.dev.child import Child
from agent.dev.ports import LOOPBACK, choose_port
from tests.deploy.deployment import ANSWERS, Deployment, copy_of_deploy, make_secrets
from tests.system_packages import find_program

START_S = 15.0


@contextmanager
def running(
    argv: list[str], log: Path, is_up: Callable[[], bool], environment: Mapping[str, str]
) -> Iterator[None]:
    """Run ``argv`` for as long as the block takes, which begins once ``is_up``."""
    with Child(argv, log, environment) as child:
        deadline = time.monotonic() + START_S
        while not is_up():
            assert child.wait(0) is None, f"{argv[0]} ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"{argv[0]}: {log.read_text()[-2000:]}"
            time.sleep(0.02)
        yield


def status(url: str, *, method: str = "GET", key: str = "", body: str | None = None) -> int:
    """Return the status of the answer, or 0 if there is none."""
    return answer(url, method=method, key=key, body=body)[0]


def answer(url: str, *, method: str, key: str = "", body: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, method=method, data=body.encode() if body else None)
    request.add_header("Content-Type", "application/json")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def host(to: Path) -> Deployment:
    """Return a host's files after make-secrets, with its secrets where they can be here."""
    deploy = copy_of_deploy(to)
    done = make_secrets(deploy.folder)
    assert done.returncode == 0, done.stderr
    for name in ("livekit.yaml", "policy.yaml"):
        path = deploy.folder / "secrets" / name
        path.chmod(0o600)
        path.write_text(path.read_text().replace("/run/secrets", str(path.parent)))
    return deploy


def command(deploy: Deployment, service: str, changes: Mapping[str, str]) -> list[str]:
    return [changes.get(word, word) for word in deploy.services[service]["command"]]


def sfu_argv(deploy: Deployment, binary: Path) -> list[str]:
    config = {"/etc/livekit.yaml": str(deploy.folder / "secrets/livekit.yaml")}
    return [str(binary), *command(deploy, "sfu", config), "--bind", LOOPBACK]


@contextmanager
def sfu(deploy: Deployment, binary: Path) -> Iterator[str]:
    port = choose_port(0, 0)
    environment = {
        "LIVEKIT_PORT": str(port),
        "UDP_PORT": str(choose_port(0, 0, "udp")),
        "LIVEKIT_RTC_TCP_PORT": "0",  # or it listens on all interfaces
        "LIVEKIT_RTC_ENABLE_LOOPBACK_CANDIDATE": "true",
    }
    log = deploy.folder / "sfu.log"
    url = f"http://{LOOPBACK}:{port}"
    with running(sfu_argv(deploy, binary), log, lambda: status(url) == 200, environment):
        yield f"{LOOPBACK}:{port}"


@contextmanager
def tokens(deploy: Deployment, sfu: str) -> Iterator[str]:
    address = f"{LOOPBACK}:{choose_port(0, 0)}"
    policy = str(deploy.folder / "secrets/policy.yaml")
    changes = {"/etc/roomcast/policy.yaml": policy, "0.0.0.0:8080": address}
    argv = [sys.executable, "-m", "tokenserver", *command(deploy, "tokens", changes)]
    log = deploy.folder / "tokens.log"
    url = f"http://{address}/healthz"
    with running(argv, log, lambda: status(url) == 200, {"LIVEKIT_URL": f"ws://{sfu}"}):
        yield address


@contextmanager
def caddy(deploy: Deployment, *, sfu: str, tokens: str) -> Iterator[str]:
    site = f"http://{LOOPBACK}:{choose_port(0, 0)}"
    environment = {
        "DOMAIN": site,
        "TURN_DOMAIN": f"http://{LOOPBACK}:{choose_port(0, 0)}",
        "CADDY_BIND": LOOPBACK,
        "SFU_UPSTREAM": sfu,
        "TOKENS_UPSTREAM": tokens,
        "XDG_CONFIG_HOME": str(deploy.folder),
        "XDG_DATA_HOME": str(deploy.folder),
    }
    argv = [str(find_program("caddy")), "run", "--adapter", "caddyfile"]
    argv += ["--config", str(deploy.folder / "Caddyfile")]
    with running(argv, deploy.folder / "caddy.log", lambda: status(site) != 0, environment):
        yield site


def relay_argv(deploy: Deployment, port: int) -> list[str]:
    config = {"/run/secrets/turnserver.conf": str(deploy.folder / "secrets/turnserver.conf")}
    certificate = ("--cert", str(deploy.folder / "relay.crt"))
    key = ("--pkey", str(deploy.folder / "relay.key"))
    return [
        str(find_program("turnserver")),
        *command(deploy, "coturn", config),
        *("--listening-port", str(port), "--tls-listening-port", str(choose_port(0, 0))),
        *("--pidfile", str(deploy.folder / "relay.pid")),
        *("--userdb", str(deploy.folder / "relay.db")),
        *(certificate + key),
        "--allow-loopback-peers",  # here the SFU is one
    ]


@contextmanager
def relay(deploy: Deployment) -> Iterator[int]:
    make_certificate(deploy.folder)
    port = choose_port(0, 0)
    log = deploy.folder / "relay.log"

    def is_up() -> bool:
        return log.exists() and "Total General servers" in log.read_text()

    with running(relay_argv(deploy, port), log, is_up, {}):
        yield port


def make_certificate(folder: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", f"/CN={ANSWERS['TURN_DOMAIN']}"),
            *("-keyout", folder / "relay.key", "-out", folder / "relay.crt"),
        ],
        check=True,
        capture_output=True,
        timeout=START_S,
    )
