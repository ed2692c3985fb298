import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from agent.cli.signals import Stopping, on_signal, stopping
from tests.waiting import soon


def raise_signal(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_heard(number: signal.Signals) -> None:
    heard: list[str] = []

    with on_signal(lambda: heard.append("first")):
        raise_signal(number)

    assert heard == ["first"]


def test_signals_do_afterwards_what_they_did_before() -> None:
    before = signal.getsignal(signal.SIGINT)

    with on_signal(lambda: None):
        pass

    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_to_be_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    heard: list[str] = []
    try:
        with on_signal(lambda: heard.append("first")):
            raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert heard == []


def test_a_second_signal_ends_the_process_even_if_it_hangs() -> None:
    source = textwrap.dedent("""
        import time
        from agent.cli.signals import on_signal
        with on_signal(lambda: print("finishing", flush=True)):
            print("ready", flush=True)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                pass
    """)
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "finishing\n"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert process.returncode == 130
    assert "left at once; `roomcast recover` finishes" in said


async def test_the_wish_is_uttered_once_and_announced() -> None:
    announced: list[str] = []

    with stopping(lambda: announced.append("stopping")) as wish:
        raise_signal(signal.SIGTERM)
        await soon(wish.asked.is_set, "the signal is heard")
        wish.ask()

    assert announced == ["stopping"]


async def test_what_is_joining_is_broken_off() -> None:
    wish = Stopping(lambda: None)
    asyncio.get_running_loop().call_soon(wish.ask)
    reached = False

    async with wish.until_joined():
        await asyncio.Event().wait()
        reached = True

    assert not reached


async def test_what_has_joined_is_left_to_end_by_itself() -> None:
    wish = Stopping(lambda: None)
    asyncio.get_running_loop().call_soon(wish.ask)
    reached = False

    async with wish.until_joined():
        wish.joined()
        await wish.asked.wait()
        await asyncio.sleep(0)
        reached = True

    assert reached


async def test_who_was_asked_before_does_not_join_at_all() -> None:
    wish = Stopping(lambda: None)
    wish.ask()

    async with wish.until_joined():
        await asyncio.Event().wait()


async def test_a_timeout_of_the_joining_itself_is_not_hidden() -> None:
    wish = Stopping(lambda: None)

    with pytest.raises(TimeoutError):
        async with wish.until_joined():
            raise TimeoutError
