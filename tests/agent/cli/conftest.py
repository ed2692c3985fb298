"""What tests of the command line share: a world in memory for commands to run in."""

import logging
from collections.abc import Iterator

import pytest

from tests.agent.cli.stage import Stage


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Undo what a command did to the process's log."""
    loggers = [logging.getLogger(name) for name in (None, "asyncio", "livekit")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


@pytest.fixture
def stage() -> Stage:
    return Stage()
