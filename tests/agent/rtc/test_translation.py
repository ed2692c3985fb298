import base64
import json

import pytest
from livekit import rtc

from agent.room import EndReason, Source
from agent.rtc import translation

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl-_x"


def token_with(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.sig"


@pytest.mark.parametrize(
    ("message", "phrase", "retry"),
    [
        (
            "engine: signal failure: client error: 401 Unauthorized - invalid token: "
            f"{TOKEN}, error: token has invalid claims: token is expired",
            "refused the token (invalid token: <token>, error: token has invalid claims",
            False,
        ),
        ("client error: 401 Unauthorized - permissions denied", "(permissions denied)", False),
        ("client error: 403 Forbidden", "refused the token", False),
        ("handshake error: 500 Internal Server Error", "when the room is full", True),
        ("client error: 404 Not Found - 404 page not found", "no LiveKit server", True),
        ("transport connection error: IO error: Connection refused", "nothing listens", True),
        ("IO error: failed to lookup address information: Name", "can't be resolved", True),
        ("signal failure: timeout: signal connection timed out", "did not answer", True),
        ("failed to parse the url: relative URL without a base", "not a URL", False),
        ("something new\nwith two lines", "something new with two lines", True),
    ],
)
def test_a_refusal_is_a_sentence_without_a_token(message: str, phrase: str, retry: bool) -> None:
    reason, again = translation.refusal(message)

    assert phrase in reason
    assert again is retry
    assert "eyJ" not in reason


@pytest.mark.parametrize(
    ("token", "room"),
    [
        (token_with({"video": {"room": "demo"}}), "demo"),
        (token_with({"video": {}}), ""),
        (token_with({"video": {"room": 7}}), ""),
        (token_with(["video"]), ""),
        ("e30.!!!.sig", ""),
        ("e30.e30", ""),
        ("", ""),
    ],
)
def test_the_room_is_read_from_a_token_or_left_empty(token: str, room: str) -> None:
    assert translation.room_of(token) == room


@pytest.mark.parametrize(
    ("sdk", "reason"),
    [
        (rtc.DisconnectReason.PARTICIPANT_REMOVED, EndReason.REMOVED),
        (rtc.DisconnectReason.DUPLICATE_IDENTITY, EndReason.DUPLICATE_IDENTITY),
        (rtc.DisconnectReason.SERVER_SHUTDOWN, EndReason.SERVER_SHUTDOWN),
        (rtc.DisconnectReason.ROOM_DELETED, EndReason.ROOM_CLOSED),
        (rtc.DisconnectReason.ROOM_CLOSED, EndReason.ROOM_CLOSED),
        (rtc.DisconnectReason.STATE_MISMATCH, EndReason.CONNECTION_LOST),
        (rtc.DisconnectReason.CLIENT_INITIATED, EndReason.CONNECTION_LOST),
        (rtc.DisconnectReason.UNKNOWN_REASON, EndReason.CONNECTION_LOST),
    ],
)
def test_why_a_connection_ended_that_we_wanted(
    sdk: rtc.DisconnectReason.ValueType, reason: EndReason
) -> None:
    assert translation.end_reason(sdk, asked=False) is reason
    assert translation.end_reason(sdk, asked=True) is EndReason.LEFT


@pytest.mark.parametrize("source", Source)
def test_sources_translate_both_ways(source: Source) -> None:
    sdk = translation.sdk_source(source)

    assert (sdk == rtc.TrackSource.SOURCE_UNKNOWN) == (source is Source.UNKNOWN)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotations_translate_both_ways(degrees: int) -> None:
    assert translation.degrees(translation.sdk_rotation(degrees)) == degrees
