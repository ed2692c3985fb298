"""What end-to-end tests share: an SFU, room names, and what happens where a program is missing."""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.dev.sfu import Sfu
from agent.dev.sfu_binary import find_sfu
from tests.system_packages import PACKAGES, find_program

_not_run = pytest.StashKey[dict[str, list[str]]]()


@pytest.fixture(scope="session")
def sfu_binary() -> Path:
    found = find_sfu()
    if found is None:
        pytest.fail("there is no SFU on this machine: `make sfu` builds it", pytrace=False)
    return found


@pytest.fixture(scope="session")
def sfu(sfu_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sfu]:
    """The SFU that tests share, each in a room of its own; leave it running."""
    log = tmp_path_factory.mktemp("sfu") / "sfu.log"
    with Sfu(sfu_binary, port=0, udp_port=0, log=log) as running:
        yield running


@pytest.fixture
def own_sfu(sfu_binary: Path, tmp_path: Path) -> Iterator[Sfu]:
    """An SFU for this test alone, to be stopped, killed and started again."""
    with Sfu(sfu_binary, port=0, udp_port=0, log=tmp_path / "sfu.log") as running:
        yield running


@pytest.fixture
def room_name(request: pytest.FixtureRequest) -> str:
    """A room that no other test uses, named after the test for whoever reads the SFU's log."""
    words = re.sub(r"[^a-z0-9]+", "-", str(request.node.name).lower())
    return f"{words[:48].strip('-')}-{secrets.token_hex(3)}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("requires_program"):
        [name] = marker.args
        if find_program(name):
            continue
        reason = f"{name} is missing (Debian's package {PACKAGES[name]})"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}, and with CI=true nothing is skipped for that", pytrace=False)
        item.config.stash.setdefault(_not_run, {}).setdefault(reason, []).append(item.nodeid)
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason, tests in terminalreporter.config.stash.get(_not_run, {}).items():
        terminalreporter.section(f"not run: {reason}", sep="-", yellow=True)
        for test in tests:
            terminalreporter.line(test)
