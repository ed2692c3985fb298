"""The commands, and what belongs to none of them."""

import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from agent.cli import dev, doctor, play, publish, record, recover, schema, verify
from agent.cli.exit_codes import Commands

app = typer.Typer(
    name="roomcast",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show locals, and those may be secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(command: Callable[..., None], examples: Sequence[str]) -> None:
    """Add ``command``; its help ends with ``examples``."""
    shown = "\n".join(f"  {example}" for example in examples)
    app.command(help=f"{_unwrapped(command)}\n\n\b\nExamples:\n{shown}")(command)


def _unwrapped(documented: object) -> str:
    """Return the docstring with each paragraph in one line, as Typer likes it."""
    paragraphs = (inspect.getdoc(documented) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


_add(dev.dev, dev.EXAMPLES)
_add(record.record, record.EXAMPLES)
_add(verify.verify, verify.EXAMPLES)
_add(recover.recover, recover.EXAMPLES)
_add(play.play, play.EXAMPLES)
_add(publish.publish, publish.EXAMPLES)
_add(doctor.doctor, doctor.EXAMPLES)
app.add_typer(schema.schema, name="schema")


def installed_version() -> str:
    """Return roomcast's version."""
    try:
        return version("roomcast")
    except PackageNotFoundError:
        return "(not installed, run from a checkout)"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"roomcast {installed_version()}")
        raise typer.Exit


def common(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Record what is in LiveKit rooms, and publish into them.

    Where the room is, the environment says: LIVEKIT_URL with LIVEKIT_API_KEY and
    LIVEKIT_API_SECRET, or ROOMCAST_TOKEN_URL with ROOMCAST_TOKEN_KEY. Each secret may lie in a
    file instead, named by the same variable with _FILE appended. `roomcast doctor` checks it.

    Exit codes: 0 done, 1 a bug, 2 yours to mend (options, configuration, files), 3 the room or
    the token server refused or can't be reached, 4 media is lost or damaged, 130 left at once.
    """


app.callback(help=_unwrapped(common))(common)
