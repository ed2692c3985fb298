"""``roomcast dev``."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.logs import configure_logging
from agent.cli.options import JsonOption, LogFormatOption, VerboseOption
from agent.cli.progress import ProgressLine
from agent.cli.record import RecordingLine, report
from agent.cli.signals import stopping
from agent.cli.surroundings import surroundings_of
from agent.config import out_folder, room_name

if TYPE_CHECKING:  # what they import takes longer to load than the whole command line
    from agent.dev.demo import DemoOptions
    from agent.recording.job import RecordingResult

EXAMPLES = (
    "roomcast dev                   until Ctrl-C; open the URL it prints",
    "roomcast dev --seconds 20      with two guests, and an end",
)


def dev(
    context: typer.Context,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, metavar="N", help="Let two guests publish, and end after N seconds."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Of the page.", show_default="8080, or the next that is free"
        ),
    ] = None,
    room: Annotated[str, typer.Option(metavar="NAME", help="The room.")] = "demo",
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Where the recording's folder is made.",
            show_default="$ROOMCAST_OUT, or recordings",
        ),
    ] = None,
    no_guests: Annotated[
        bool, typer.Option("--no-guests", help="No guests of ours, also with --seconds.")
    ] = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = 0,
    log_format: LogFormatOption = "text",
) -> None:
    """Run everything on this machine: an SFU, the token server, its page, and a bot.

    The bot publishes colour bars and a tone, and records whoever else publishes. Nothing of it
    can be reached from another machine. Ctrl-C ends it well.
    """
    from agent.dev.clips import find_clip
    from agent.dev.demo import DemoOptions

    surroundings = surroundings_of(context)
    options = DemoOptions(
        room=room_name(room),
        out=out_folder(surroundings.environment, out),
        seconds=seconds,
        guests=seconds is not None and not no_guests,
    )
    if options.guests:
        find_clip()  # before anything is started
    console = configure_logging(verbose, log_format)
    with ProgressLine(console) as line:
        result = asyncio.run(_dev(options, port, line))
    if result is None:
        line.say("stopped before the bot was in the room: nothing is recorded")
        raise typer.Exit
    report(line, result, as_json=as_json)
    raise typer.Exit(result.exit_code)


async def _dev(
    options: "DemoOptions", port: int | None, line: ProgressLine
) -> "RecordingResult | None":
    """Return ``None`` if it was stopped before it began."""
    from agent.dev.demo import run_demo
    from agent.dev.stack import running_stack

    def announce() -> None:
        line.say("stopping; a second signal leaves at once")

    result: RecordingResult | None = None
    line.update("starting the SFU and the token server")
    with stopping(announce) as wish:
        async with wish.until_joined(), running_stack(port=port, tell=line.say) as stack:
            line.say(f"the page: {stack.tokens.url}?room={options.room}")
            result = await run_demo(
                stack, options, stop=wish.asked, watcher=DemoLine(line, wish.joined)
            )
    return result


class DemoLine(RecordingLine):
    """Tells on one line how the demonstration goes."""

    def started(self, folder: Path) -> None:
        """Say that the bot is there."""
        self._line.say("the bot is in the room, publishing and recording; Ctrl-C ends it")
        super().started(folder)
