from pathlib import Path

import pytest

from tests.tokenserver.examples import SECRET, TEXT, policy
from tokenserver.errors import ConfigurationError
from tokenserver.issuer import SigningKey
from tokenserver.policy import Policy
from tokenserver.settings import require_strong, setting, sfu_url, signing_key

POLICY = policy()


def with_key_file(path: Path, active: str = "k2") -> Policy:
    return policy(f"{TEXT}keys: {{active: {active}, file: {path}}}\n")


def test_a_setting_comes_from_its_variable_or_from_the_file_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("from the file\n")

    assert setting({"X": "from the variable"}, "X") == "from the variable"
    assert setting({"X_FILE": str(path)}, "X") == "from the file"
    assert setting({"X": ""}, "X") is None


def test_a_setting_that_is_given_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="X and X_FILE are both set"):
        setting({"X": "a", "X_FILE": str(tmp_path)}, "X")


def test_a_file_that_is_not_there_is_named_with_its_variable() -> None:
    with pytest.raises(ConfigurationError, match="can't read /nowhere, named by X_FILE"):
        setting({"X_FILE": "/nowhere"}, "X")


@pytest.mark.parametrize("content", [b"\xff", b"x" * 70_000])
def test_a_file_that_can_be_no_secret_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="named by X_FILE"):
        setting({"X_FILE": str(path)}, "X")


def test_the_key_comes_from_the_environment() -> None:
    environment = {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": SECRET}

    assert signing_key(POLICY, environment) == SigningKey("k", SECRET)


@pytest.mark.parametrize(
    "environment", [{}, {"LIVEKIT_API_KEY": "k"}, {"LIVEKIT_API_SECRET": SECRET}]
)
def test_without_a_key_the_error_says_what_to_set(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="set LIVEKIT_API_KEY and LIVEKIT_API_SECRET") as e:
        signing_key(POLICY, environment)

    assert SECRET not in str(e.value)


def test_the_active_key_of_a_key_file_signs(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"k1: old\nk2: {SECRET}\n")

    assert signing_key(with_key_file(path), {}) == SigningKey("k2", SECRET)


@pytest.mark.parametrize(
    "content", ["", "- k2", f"k2: [{SECRET}]", f"k2: {{a: {SECRET}", f"k2 {SECRET}", "k2: 7", "k2:"]
)
def test_a_key_file_of_another_form_is_an_error_that_does_not_quote_it(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(content)

    with pytest.raises(ConfigurationError, match="must hold one `name: secret`") as caught:
        signing_key(with_key_file(path), {})

    assert SECRET not in str(caught.value)


def test_an_active_key_that_the_file_lacks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"k1: {SECRET}\n")

    with pytest.raises(ConfigurationError, match="no key of the name"):
        signing_key(with_key_file(path), {})


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="shorter than 32 bytes") as caught:
        require_strong(SigningKey("k", "canary"))

    assert "canary" not in str(caught.value)
    require_strong(SigningKey("k", SECRET))


def test_the_sfu_is_reached_by_its_own_address_or_else_by_the_clients() -> None:
    assert sfu_url(POLICY, {"LIVEKIT_URL": "http://sfu:7880"}) == "http://sfu:7880"
    assert sfu_url(POLICY, {}) == "wss://rtc.example.com"


@pytest.mark.parametrize("url", ["sfu:7880", "ftp://sfu", "ws://"])
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LIVEKIT_URL must be"):
        sfu_url(POLICY, {"LIVEKIT_URL": url})
