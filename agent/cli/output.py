"""What a command says and where: the result on stdout, everything else on stderr."""

import json
import sys
import unicodedata
from collections.abc import Mapping

from rich.console import Console, RenderableType
from rich.text import Text

PLAIN_WIDTH = 120
"""Of tables that go to a file or a pipe, where no terminal says how wide it is."""


def stdout_console() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """Return the console for progress and logs."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in console._environ:  # noqa: SLF001
        console.width = PLAIN_WIDTH
    return console


def show(*results: RenderableType) -> None:
    """Print the result of a command for a person."""
    console = stdout_console()
    for result in results:
        # A path is copied from here: it isn't broken into lines.
        console.print(result, soft_wrap=isinstance(result, str | Text))
    sys.stdout.flush()


def show_json(document: Mapping[str, object]) -> None:
    """Print the result of a command for a program."""
    print(json.dumps(document, indent=1, ensure_ascii=False))
    sys.stdout.flush()


def readable(text: str) -> str:
    """Return ``text``, which a stranger chose, with what could take over a terminal spelled out."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def size(number: int) -> str:
    """Return a number of bytes for a person."""
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return (
                f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.95 else f"{amount:.1f} {unit}"
            )
        amount /= 1000
    return f"{amount:.1f} TB"


def clock_time(seconds: float) -> str:
    """Return a duration as ``1:02:03`` or ``02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
