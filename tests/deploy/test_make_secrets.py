"""make-secrets: what it makes, for whom, and that it never takes a secret away."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.deployment import (
    ANSWERS,
    Deployment,
    copy_of_deploy,
    make_secrets,
    run_make_secrets,
)
from tokenserver.policy_file import read_policy
from tokenserver.settings import require_strong, signing_key


@pytest.fixture
def deploy(tmp_path: Path) -> Deployment:
    return copy_of_deploy(tmp_path)


def contents(deploy: Deployment) -> dict[str, str]:
    return {path.name: path.read_text() for path in (deploy.folder / "secrets").glob("[!.]*")}


def test_it_makes_what_it_says_and_leaves_nothing_else(deploy: Deployment) -> None:
    done = make_secrets(deploy.folder)

    assert (done.returncode, done.stderr) == (os.EX_OK, "")
    assert set(contents(deploy)) == deploy.made
    assert not list((deploy.folder / "secrets").glob(".work*"))


def test_only_the_owner_can_read_what_it_makes(deploy: Deployment) -> None:
    make_secrets(deploy.folder)

    made = (deploy.folder / "secrets").glob("[!.]*")
    assert {path.stat().st_mode & 0o777 for path in made} == {0o400}
    assert {path.stat().st_mode & 0o777 for path in (deploy.folder / "data").rglob("*")} == {0o700}


def test_no_secret_is_shown(deploy: Deployment) -> None:
    done = make_secrets(deploy.folder)

    secrets = {deploy.text(f"secrets/{name}") for name in ("turn_secret", "bot_token_key")}
    assert not any(secret in done.stdout + done.stderr for secret in secrets)


def test_a_second_run_keeps_the_secrets_and_takes_new_answers(deploy: Deployment) -> None:
    make_secrets(deploy.folder)
    before = contents(deploy)

    make_secrets(deploy.folder, DOMAIN="other.example.com")

    after = contents(deploy)
    changed = {name for name in after if before[name] != after[name]}
    assert changed == {"policy.yaml"}
    assert yaml.safe_load(after["policy.yaml"])["server_url"] == "wss://other.example.com"


def test_two_hosts_share_no_secret(tmp_path: Path) -> None:
    (one := tmp_path / "one").mkdir()
    (two := tmp_path / "two").mkdir()
    made = []
    for folder in (one, two):
        deploy = copy_of_deploy(folder)
        make_secrets(deploy.folder)
        made.append(contents(deploy))

    for name in ("livekit_keys.yaml", "turn_secret", "bot_token_key", "backend_token_key"):
        assert made[0][name] != made[1][name]


def test_the_policy_it_writes_is_one_that_the_token_server_takes(deploy: Deployment) -> None:
    make_secrets(deploy.folder)
    path = deploy.folder / "secrets/policy.yaml"
    path.chmod(0o600)
    path.write_text(path.read_text().replace("/run/secrets", str(path.parent)))

    policy = read_policy(path)

    require_strong(signing_key(policy, {}))
    assert policy.server_url == f"wss://{ANSWERS['DOMAIN']}"
    assert policy.rooms.admits(ANSWERS["ROOM"])
    assert policy.roles["bot"].recorder
    assert policy.anonymous is None


@pytest.mark.parametrize("caller", ["bot", "backend"])
def test_the_policy_holds_the_hash_of_each_caller_s_key(deploy: Deployment, caller: str) -> None:
    make_secrets(deploy.folder)

    key = (deploy.folder / f"secrets/{caller}_token_key").read_bytes()
    policy = yaml.safe_load(deploy.text("secrets/policy.yaml"))
    [rule] = [rule for rule in policy["callers"] if rule["name"] == caller]
    assert rule["api_key_sha256"] == hashlib.sha256(key).hexdigest()


def test_sfu_and_relay_get_the_same_secret(deploy: Deployment) -> None:
    make_secrets(deploy.folder)

    secret = deploy.text("secrets/turn_secret")
    relay = Deployment(deploy.folder / "secrets").relay
    assert relay["static-auth-secret"] == [secret]
    assert len(secret) == 64


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"DOMAIN": ""}, "DOMAIN is missing in .env"),
        ({"ROOM": "a b"}, "ROOM in .env may hold"),
        ({"DOMAIN": "x|e touch pwned"}, "DOMAIN in .env may hold"),
        ({"PUBLIC_IP": "rtc.example.com"}, "PUBLIC_IP in .env must be an IPv4 address"),
    ],
)
def test_an_unusable_answer_is_told_and_nothing_made(
    deploy: Deployment, answers: dict[str, str], told: str
) -> None:
    done = make_secrets(deploy.folder, **answers)

    assert done.returncode == 2
    assert told in done.stderr
    assert contents(deploy) == {}


def test_without_answers_it_says_where_they_belong(deploy: Deployment) -> None:
    done = run_make_secrets(deploy.folder)

    assert done.returncode == 2
    assert ".env is missing: copy .env.example" in done.stderr


def test_an_owner_that_we_may_not_give_files_to_is_told(deploy: Deployment) -> None:
    make_secrets(deploy.folder)
    done = run_make_secrets(deploy.folder, "--owner", "no-such-user")

    assert done.returncode == 2
    assert "run this with sudo" in done.stderr


def test_the_script_is_plain_sh(deploy: Deployment) -> None:
    subprocess.run(["sh", "-n", deploy.folder / "make-secrets"], check=True, timeout=10)
