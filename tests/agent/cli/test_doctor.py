from pathlib import Path

import pytest

from agent.errors import AccessError
from tests.agent.cli.stage import Stage


def test_a_configuration_that_lacks_something_is_yours_to_mend(
    stage: Stage, tmp_path: Path
) -> None:
    del stage.environment["LIVEKIT_API_KEY"]

    ended = stage.run("doctor", "-o", tmp_path)

    assert ended.code == 2
    assert "✗ configuration: LIVEKIT_API_KEY is not set" in ended.stdout
    assert "✓ recordings folder:" in ended.stdout
    assert "✓ versions:" in ended.stdout


def test_tokens_that_aren_t_to_be_had_are_theirs(stage: Stage, tmp_path: Path) -> None:
    stage.refusal = AccessError("http://tokens", "can't connect")

    ended = stage.run("doctor", "-o", tmp_path)

    assert ended.code == 3
    assert "✗ token endpoint: can't connect" in ended.stdout
    assert "  → check ROOMCAST_TOKEN_URL" in ended.stdout


def test_the_worst_counts(stage: Stage, tmp_path: Path) -> None:
    stage.refusal = AccessError("http://tokens", "can't connect")
    (tmp_path / "file").touch()

    assert stage.run("doctor", "-o", tmp_path / "file").code == 3


def test_a_program_gets_one_document(stage: Stage, tmp_path: Path) -> None:
    stage.environment.clear()

    ended = stage.run("doctor", "-o", tmp_path, "--json")

    assert ended.code == 2
    assert ended.document["fine"] is False
    answers = {check["name"]: check["answer"] for check in ended.document["checks"]}
    assert answers == {"configuration": "no", "recordings folder": "yes", "versions": "yes"}


@pytest.mark.parametrize("variable", ["LIVEKIT_API_SECRET", "ROOMCAST_TOKEN_KEY"])
def test_no_secret_is_told(variable: str, stage: Stage, tmp_path: Path) -> None:
    secret = "canary-secret-canary-secret-canary"
    if variable == "ROOMCAST_TOKEN_KEY":
        stage.environment = {"ROOMCAST_TOKEN_URL": "http://tokens"}
    stage.environment[variable] = secret
    stage.refusal = AccessError("http://tokens", "can't connect")

    ended = stage.run("doctor", "-o", tmp_path)

    assert "✓ configuration:" in ended.stdout
    assert secret not in ended.stdout + ended.stderr


def test_a_room_that_can_t_be_called_that_is_a_mistake_in_the_command(stage: Stage) -> None:
    assert stage.run("doctor", "--room", "").code == 2
