import re
import subprocess
import sys

import pytest

from agent.cli import dev, doctor, play, publish, record, recover, verify
from agent.cli.app import app
from tests.agent.cli.stage import Stage

COMMANDS = {
    "dev": dev.EXAMPLES,
    "record": record.EXAMPLES,
    "verify": verify.EXAMPLES,
    "recover": recover.EXAMPLES,
    "play": play.EXAMPLES,
    "publish": publish.EXAMPLES,
    "doctor": doctor.EXAMPLES,
}

HEAVY = ("livekit", "av", "numpy", "aiohttp", "pydantic")


def test_help_names_every_command(stage: Stage) -> None:
    said = stage.run("--help").stdout

    assert all(re.search(rf"│ {command} ", said) for command in (*COMMANDS, "schema"))


def test_no_command_is_without_examples() -> None:
    names = {it.name or getattr(it.callback, "__name__", "") for it in app.registered_commands}

    assert names == set(COMMANDS)


@pytest.mark.parametrize(("command", "examples"), COMMANDS.items())
def test_help_of_a_command_shows_its_examples_as_they_are(
    command: str, examples: tuple[str, ...], stage: Stage
) -> None:
    ended = stage.run(command, "--help")

    assert ended.code == 0
    assert all(f"   {example}" in ended.stdout for example in examples)


def test_the_version_is_told(stage: Stage) -> None:
    ended = stage.run("--version")

    assert ended.code == 0
    assert re.fullmatch(r"roomcast (\d+\.\d+\.\d+.*|\(not installed.*\))\n", ended.stdout)


def test_no_command_at_all_shows_the_help(stage: Stage) -> None:
    ended = stage.run()

    assert ended.code == 2
    assert "Usage" in ended.stdout + ended.stderr


@pytest.mark.parametrize("arguments", [("records",), ("record", "demo", "--fast")])
def test_what_is_misspelt_is_a_mistake_in_the_command(
    arguments: tuple[str, ...], stage: Stage
) -> None:
    ended = stage.run(*arguments)

    assert ended.code == 2
    assert ended.stdout == ""


def test_a_shell_can_complete_commands() -> None:
    environment = {
        "_ROOMCAST_COMPLETE": "complete_bash",
        "COMP_WORDS": "roomcast re",
        "COMP_CWORD": "1",
    }
    source = "import sys; sys.argv[0] = 'roomcast'; from agent.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["record", "recover"]


def test_the_command_line_loads_nothing_that_takes_its_time() -> None:
    source = (
        "import sys, agent.cli.app; "
        f"print(*(name for name in {HEAVY!r} if name in sys.modules), sep=',')"
    )

    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""
