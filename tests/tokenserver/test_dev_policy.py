import pytest

from tokenserver.callers import api_key_sha256, identify
from tokenserver.decision import decide
from tokenserver.dev_policy import dev_policy
from tokenserver.errors import ConfigurationError
from tokenserver.refusals import RefusedError
from tokenserver.token_request import TokenRequest

URL = "ws://127.0.0.1:7880"
POLICY = dev_policy(URL, api_key_sha256("key"))


def test_whoever_comes_is_a_guest_who_publishes_and_listens() -> None:
    grant = decide(TokenRequest("Demo_1", "Ann"), identify(POLICY, []), POLICY, "0" * 16)

    assert grant.role == "guest"
    assert grant.video["canPublish"]
    assert grant.video["canSubscribe"]
    assert not grant.video["canUpdateOwnMetadata"]


@pytest.mark.parametrize("role", ["bot", "host"])
def test_a_guest_can_be_nothing_more(role: str) -> None:
    asked = TokenRequest("demo", participant_attributes={"roomcast.role": role})

    with pytest.raises(RefusedError, match="does not hold the role"):
        decide(asked, identify(POLICY, []), POLICY, "0" * 16)


def test_the_holder_of_the_key_is_a_bot_that_is_seen_and_may_say_that_it_records() -> None:
    asked = TokenRequest("demo", "roomcast", "rec-1")

    grant = decide(asked, identify(POLICY, ["Bearer key"]), POLICY, "0" * 16)

    assert grant.attributes == {"roomcast.role": "bot"}
    assert grant.video["recorder"]
    assert grant.video["canUpdateOwnMetadata"]
    assert not grant.video["hidden"]


def test_without_a_key_there_is_no_bot() -> None:
    with pytest.raises(RefusedError, match="not known"):
        identify(dev_policy(URL, None), ["Bearer key"])


@pytest.mark.parametrize(
    ("url", "sha256", "named"),
    [("http://127.0.0.1", None, "LIVEKIT_URL"), (URL, "key", "ROOMCAST_DEV_BOT_KEY_SHA256")],
)
def test_a_wrong_setting_is_named(url: str, sha256: str | None, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{named} must be"):
        dev_policy(url, sha256)
