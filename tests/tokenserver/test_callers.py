import pytest

from tests.tokenserver.examples import BOT_KEY, HOST_KEY, TEXT, policy
from tokenserver.callers import api_key_sha256, identify, new_api_key
from tokenserver.refusals import Code, RefusedError

OPEN = policy()
CLOSED = policy(TEXT)


@pytest.mark.parametrize(("key", "caller"), [(HOST_KEY, "backend"), (BOT_KEY, "recorder")])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_caller_is_known_by_its_key(key: str, caller: str, scheme: str) -> None:
    assert identify(CLOSED, [f"{scheme} {key}"]).name == caller


def test_who_presents_nothing_is_anonymous_where_the_policy_has_such_a_caller() -> None:
    assert identify(OPEN, []).name == "guests"


def test_who_presents_nothing_is_refused_elsewhere() -> None:
    with pytest.raises(RefusedError, match="no credential"):
        identify(CLOSED, [])


@pytest.mark.parametrize(
    "headers",
    [
        ["Bearer wrong"],
        [f"Bearer {HOST_KEY}x"],
        [f"Bearer {HOST_KEY[:-1]}"],
        [f"Bearer {api_key_sha256(HOST_KEY)}"],
        [f"Basic {HOST_KEY}"],
        [HOST_KEY],
        ["Bearer "],
        ["Bearer"],
        [""],
        [f"Bearer {HOST_KEY} {BOT_KEY}"],
        [f"Bearer {HOST_KEY}", f"Bearer {BOT_KEY}"],
        ["Bearer " + "x" * 5000],
        ["Bearer ké"],
    ],
)
def test_a_wrong_credential_is_refused_even_where_nobody_needs_one(headers: list[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        identify(OPEN, headers)

    assert caught.value.code is Code.UNAUTHENTICATED


def test_no_two_new_keys_are_alike_and_each_can_be_presented() -> None:
    keys = {new_api_key() for _ in range(100)}
    text = TEXT.replace(api_key_sha256(HOST_KEY), api_key_sha256(key := keys.pop()))

    assert len(keys) == 99
    assert identify(policy(text), [f"Bearer {key}"]).name == "backend"
