"""The SFU that `roomcast dev` and the tests run: up quickly, gone for certain."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from agent.dev.ports import PortTakenError
from agent.dev.sfu import Sfu, SfuStartError, running_sfu
from tests.leaks import held
from tests.waiting import soon, until

pytestmark = pytest.mark.e2e

OWNER = """
import sys, threading, time
from pathlib import Path
from agent.dev.sfu import Sfu

sfu = Sfu(Path(sys.argv[1]), port=0, udp_port=0, log=Path(sys.argv[2]))
starting = threading.Thread(target=sfu.start)  # one that ends before the SFU is to
starting.start()
starting.join()
print(sfu.pid, sfu.ports.http, flush=True)
time.sleep(60)
"""


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def is_running(pid: int) -> bool:
    """Whether it runs; a zombie, which nobody in a container may collect, doesn't."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_it_answers_within_the_block_and_not_after_it(
    sfu_binary: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    async with running_sfu(sfu_binary, port=0, udp_port=0, log=tmp_path / "sfu.log") as sfu:
        took = time.monotonic() - began
        assert answers(sfu.ports.http)

    assert not answers(sfu.ports.http)
    assert took < 2.0  # 0.15 s on an idle machine


def test_it_listens_on_loopback_only(sfu: Sfu) -> None:
    sockets = psutil.Process(sfu.pid).net_connections()
    waiting = (psutil.CONN_LISTEN, psutil.CONN_NONE)  # the latter is what UDP has
    listening = {tuple(one.laddr) for one in sockets if one.status in waiting}

    assert listening == {("127.0.0.1", sfu.ports.http), ("127.0.0.1", sfu.ports.udp)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_gone_when_its_owner_was_killed(
    sfu_binary: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(sfu_binary), str(tmp_path / "sfu.log")],
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        pid, port = map(int, owner.stdout.readline().split())
        assert answers(port)

        owner.send_signal(number)

        until(lambda: not is_running(pid), "the SFU is gone", within_s=2.0)
    assert not answers(port)


def test_ctrl_c_on_the_terminal_does_not_reach_it(own_sfu: Sfu) -> None:
    assert own_sfu.pid is not None
    assert os.getsid(own_sfu.pid) != os.getsid(0)


def test_a_killed_one_starts_again_at_the_same_address_with_the_same_key(own_sfu: Sfu) -> None:
    before = (own_sfu.url, own_sfu.ports, own_sfu.api_key, own_sfu.api_secret)
    pid = own_sfu.pid

    own_sfu.kill()
    assert own_sfu.pid is None
    assert not answers(own_sfu.ports.http)
    own_sfu.start()

    assert answers(own_sfu.ports.http)
    assert own_sfu.pid not in (None, pid)
    assert (own_sfu.url, own_sfu.ports, own_sfu.api_key, own_sfu.api_secret) == before


def test_a_stopped_one_starts_again_and_goes_on_with_its_log(own_sfu: Sfu) -> None:
    own_sfu.stop()
    own_sfu.start()

    assert own_sfu.log.read_text().count("starting LiveKit server") == 2


def test_a_restart_says_so_when_its_port_has_gone_to_another(own_sfu: Sfu) -> None:
    own_sfu.kill()
    with (
        socket.create_server(("127.0.0.1", own_sfu.ports.http)),
        pytest.raises(PortTakenError) as error,
    ):
        own_sfu.start()

    assert str(error.value) == (
        f"TCP port {own_sfu.ports.http} is taken by another program: "
        "end that one or choose another port"
    )


def test_a_taken_port_that_was_asked_for_is_an_error(sfu: Sfu, sfu_binary: Path) -> None:
    second = Sfu(sfu_binary, port=sfu.ports.http, udp_port=0)

    with pytest.raises(PortTakenError, match=f"TCP port {sfu.ports.http} is taken"):
        second.start()


async def test_two_that_start_at_once_on_the_usual_ports_get_different_ones(
    sfu_binary: Path, tmp_path: Path
) -> None:
    both = [Sfu(sfu_binary, log=tmp_path / f"{n}.log") for n in range(2)]
    try:
        await asyncio.gather(*(asyncio.to_thread(one.start) for one in both))

        assert both[0].ports.http != both[1].ports.http
        assert both[0].ports.udp != both[1].ports.udp
        assert all(answers(one.ports.http) for one in both)
    finally:
        await asyncio.gather(*(asyncio.to_thread(one.stop) for one in both))


async def test_a_cancelled_start_leaves_nothing_running(sfu_binary: Path, tmp_path: Path) -> None:
    log = tmp_path / "sfu.log"
    before = held().children

    async def run() -> None:
        async with running_sfu(sfu_binary, port=0, udp_port=0, log=log):
            pytest.fail("it was to be cancelled before")

    running = asyncio.create_task(run())
    await soon(log.exists, "the start is under way, in its thread")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert held().children == before


def test_secrets_are_in_no_argument_environment_log_or_file_that_stays(own_sfu: Sfu) -> None:
    process = Path(f"/proc/{own_sfu.pid}")
    secret = own_sfu.api_secret.encode()

    assert secret not in (process / "cmdline").read_bytes()
    assert secret not in (process / "environ").read_bytes()
    assert secret not in own_sfu.log.read_bytes()
    assert own_sfu.api_secret not in repr(own_sfu)
    assert stat.S_IMODE(own_sfu.log.stat().st_mode) == 0o600
    config = (process / "cmdline").read_bytes().split(b"\0")[2].decode()
    assert not Path(config).parent.exists()


def test_one_that_does_not_come_up_says_why_in_its_own_words(
    tmp_path: Path, sfu_binary: Path
) -> None:
    picky = tmp_path / "picky"
    picky.write_text(f'#!/bin/sh\nexec {sfu_binary} --config-body "nonsense: 1"\n')
    picky.chmod(0o700)
    sfu = Sfu(picky, port=0, udp_port=0, log=tmp_path / "sfu.log")

    with pytest.raises(SfuStartError, match="nonsense"):
        sfu.start()
