"""``roomcast doctor``."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from agent.cli.logs import configure_logging
from agent.cli.options import EnvFileOption, JsonOption, LogFormatOption, VerboseOption
from agent.cli.output import readable, show, show_json
from agent.cli.surroundings import Surroundings, surroundings_of
from agent.config import Connection, KeyConnection, connection, out_folder, room_name
from agent.errors import UsageError

if TYPE_CHECKING:  # what it imports takes longer to load than the whole command line
    from agent.diagnosis import Check

EXAMPLES = (
    "roomcast doctor",
    "roomcast doctor --room demo",
    "roomcast doctor --env-file prod.env --json",
)

_ROOM = "roomcast-doctor"
_MARKS = {"yes": ("✓", "green"), "warning": ("!", "yellow"), "no": ("✗", "red")}


def doctor(
    context: typer.Context,
    room: Annotated[
        str | None, typer.Option(metavar="ROOM", help="Join this room for a moment, too.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Where recordings are to go.",
            show_default="$ROOMCAST_OUT or recordings",
        ),
    ] = None,
    as_json: JsonOption = False,
    env_file: EnvFileOption = None,
    verbose: VerboseOption = 0,
    log_format: LogFormatOption = "text",
) -> None:
    """Check that rooms can be joined and recorded from here, and say what to mend.

    Configuration, network, server, clock, key or token endpoint, recordings folder, versions.
    Without --room nothing is joined. The exit code is 2 if something here is to be mended, 3 if
    it is the server or the network.
    """
    configure_logging(verbose, log_format)
    surroundings = surroundings_of(context)
    chosen = None if room is None else room_name(room)
    checks: list[Check] = []

    async def run() -> None:
        async for check in _checks(surroundings, chosen, out, env_file):
            checks.append(check)
            if not as_json:
                show(*_lines(check))

    asyncio.run(run())
    code = max(check.exit_code for check in checks)
    if as_json:
        show_json(_document(checks, fine=code == 0))
    raise typer.Exit(code)


async def _checks(
    surroundings: Surroundings, room: str | None, out: Path | None, env_file: Path | None
) -> AsyncIterator["Check"]:
    from agent import diagnosis

    settings = surroundings.settings(env_file)
    try:
        reached = connection(settings)
    except UsageError as error:
        yield diagnosis.refused_configuration(error)
    else:
        yield diagnosis.accepted_configuration(_described(reached))
        endpoint = "" if isinstance(reached, KeyConnection) else reached.endpoint
        if isinstance(reached, KeyConnection) and (
            weak := diagnosis.check_secret(reached.api_secret)
        ):
            yield weak
        identity = f"doctor-{secrets.token_hex(3)}"
        accesses = surroundings.accesses(reached, room or _ROOM, identity, False)
        new_room = surroundings.rooms() if room else None
        async for check in diagnosis.check_connection(
            accesses, endpoint=endpoint, new_room=new_room
        ):
            yield check
    yield diagnosis.check_folder(out_folder(settings, out))
    yield diagnosis.check_versions()


def _described(reached: Connection) -> str:
    if isinstance(reached, KeyConnection):
        return f"{reached.url} with the key {readable(reached.api_key)}"
    key = "with a key" if reached.key else "without a key"
    return f"tokens from {reached.endpoint} {key}"


def _lines(check: "Check") -> list[Text]:
    mark, colour = _MARKS[check.answer.value]
    lines = [Text.assemble((mark, colour), f" {check.name}: {readable(check.found)}")]
    if check.advice:
        lines.append(Text(f"  → {check.advice}"))
    return lines


def _document(checks: "list[Check]", *, fine: bool) -> dict[str, object]:
    return {
        "fine": fine,
        "checks": [
            {
                "name": check.name,
                "answer": check.answer.value,
                "found": check.found,
                "advice": check.advice or None,
            }
            for check in checks
        ],
    }
