import pickle
from pathlib import Path

import pytest

from agent.errors import (
    AccessError,
    AgentError,
    JoinError,
    MediaFileError,
    MediaLossError,
    RecordingError,
    ServiceError,
    UnsupportedError,
    UsageError,
    WriteError,
)

ERRORS = [
    UsageError("--fps must be at least 1"),
    MediaFileError(Path("a.mp4"), "it has no sound"),
    UnsupportedError("this engine can't mix"),
    ServiceError("the server refused"),
    JoinError("lobby", "ws://sfu", "it is full", retry=False),
    AccessError("http://tokens", "HTTP 401", retry=False),
    MediaLossError("a frame was refused"),
    WriteError(Path("ann.mkv"), "No space left on device", disk_full=True),
    RecordingError(Path("lobby"), "no recording"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_a_trip_to_another_process(error: AgentError) -> None:
    back = pickle.loads(pickle.dumps(error))

    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_exit_code_tells_whose_it_is(error: AgentError) -> None:
    codes: dict[type[AgentError], int] = {UsageError: 2, ServiceError: 3, MediaLossError: 4}

    assert [codes[kind] for kind in codes if isinstance(error, kind)] == [error.exit_code]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MediaFileError(Path("a.mp4"), "it has no sound"), "can't use a.mp4: it has no sound"),
        (
            JoinError("a b", "ws://sfu", "it is full"),
            "can't join room 'a b' at ws://sfu: it is full",
        ),
        (AccessError("http://tokens", "HTTP 401"), "no token from http://tokens: HTTP 401"),
        (WriteError(Path("ann.mkv"), "disk full"), "can't write ann.mkv: disk full"),
        (RecordingError(Path("lobby"), "no recording"), "lobby: no recording"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_says_a_sentence(error: AgentError, sentence: str) -> None:
    assert str(error) == sentence


def test_trying_again_is_worth_it_unless_said_otherwise() -> None:
    assert JoinError("lobby", "ws://sfu", "no answer").retry
    assert AccessError("http://tokens", "no answer").retry
