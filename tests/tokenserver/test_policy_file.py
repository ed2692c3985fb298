from pathlib import Path

import pytest

from tests.tokenserver.examples import TEXT
from tokenserver.errors import ConfigurationError, PolicyError
from tokenserver.policy_file import parse_policy, read_policy

HERE = Path("policy.yaml")


def mistakes(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text.encode(), HERE)
    return str(caught.value)


def test_a_policy_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT)

    assert read_policy(path).roles["host"].ttl == 1800


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"

    with pytest.raises(ConfigurationError, match=f"can't read the policy file {path}: No such"):
        read_policy(path)


def test_a_file_too_large_for_a_policy_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))

    with pytest.raises(ConfigurationError, match="larger than"):
        read_policy(path)


def test_an_unknown_key_is_reported_with_file_line_and_field() -> None:
    text = TEXT.replace("subscribe: true, data: true, recorder", "subscirbe: true, recorder")
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "subscirbe" in line)

    assert mistakes(text) == (
        f"policy.yaml:{line}: roles.bot.subscirbe: is not a key that a policy may have here"
    )


def test_all_mistakes_are_reported_at_once() -> None:
    text = TEXT.replace("version: 1", "version: 2").replace("ttl: 30m", "ttl: 30d")

    told = mistakes(text)

    assert "policy.yaml:1: version:" in told
    assert "roles.host.ttl: must be a whole number followed by one of s, m, h" in told


def test_a_missing_key_is_reported() -> None:
    assert "server_url: is missing" in mistakes("version: 1")


def test_a_mistake_in_a_list_is_reported_with_its_place() -> None:
    assert "callers[0].roles[1]" in mistakes(TEXT.replace("[guest, host]", "[guest, Host!]"))


def test_a_key_that_stands_twice_is_a_mistake() -> None:
    text = TEXT + "version: 1\n"

    assert f"policy.yaml:{text.count(chr(10))}: version: stands here for the second" in mistakes(
        text
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "policy.yaml:1: the file must be a mapping of keys"),
        ("- 1", "policy.yaml:1: the file must be a mapping of keys"),
        ("a: 1\nb: [", "policy.yaml:2: is not YAML"),
        ("a: &a 1\nb: *a", "policy.yaml:2: aliases"),
        ("a: &a {b: *a}", "policy.yaml:1: aliases"),
        ("? [1]\n: 2", "policy.yaml:1: has a key that is not plain text"),
        ("a: !!python/object:os.system {}", "policy.yaml:1: could not determine a constructor"),
        ("a: 2026-99-99", "policy.yaml:1: holds a value that cannot be read"),
        ("a: " + "[" * 1000 + "]" * 1000, "the nesting is too deep"),
    ],
)
def test_what_is_not_a_policy_at_all_is_told_with_its_line(text: str, told: str) -> None:
    assert told in mistakes(text)


def test_bytes_that_are_not_utf_8_are_told() -> None:
    with pytest.raises(PolicyError, match="not UTF-8"):
        parse_policy(b"version: \xff", HERE)
