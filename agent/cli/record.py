"""``roomcast record``."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.logs import configure_logging
from agent.cli.options import (
    EnvFileOption,
    IdentityOption,
    JsonOption,
    LogFormatOption,
    RoomArgument,
    VerboseOption,
)
from agent.cli.output import show, show_json
from agent.cli.progress import ProgressLine
from agent.cli.recording_text import outcome, progress_line, rescue_line
from agent.cli.signals import stopping
from agent.cli.surroundings import Reach, surroundings_of
from agent.config import out_folder, participant_identity, room_name, size_in_bytes

if TYPE_CHECKING:  # what they import takes longer to load than the whole command line
    from agent.recording.job import RecordingResult
    from agent.recording.recorder import Progress, RecordingOptions
    from agent.recording.recovery import Rescue

EXAMPLES = (
    "roomcast record demo",
    "roomcast record demo -o /srv/rec --seconds 3600 --json",
    "roomcast record demo --include 'teacher-*' --source screen_share",
)

Container = Literal["auto", "mkv", "mp4"]


class RecordedSource(StrEnum):
    """What can be named with --source."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN_SHARE = "screen_share"
    SCREEN_SHARE_AUDIO = "screen_share_audio"


def record(
    context: typer.Context,
    room: RoomArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Where the recording's folder is made.",
            show_default="$ROOMCAST_OUT or recordings",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Record only these identities; * matches anything."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Don't record these identities.")
    ] = None,
    source: Annotated[
        list[RecordedSource] | None,
        typer.Option(help="Record only these sources; all of them without this option."),
    ] = None,
    container: Annotated[
        Container, typer.Option(help="Of the finished files; auto is mkv.")
    ] = "auto",
    seconds: Annotated[
        float | None, typer.Option(min=0.1, metavar="N", help="End after so many seconds.")
    ] = None,
    until_empty: Annotated[
        float,
        typer.Option(
            min=0, metavar="N", help="End after N seconds without a publisher; 0 waits for ever."
        ),
    ] = 60,
    max_bytes: Annotated[
        str | None,
        typer.Option(metavar="N", help="End when the files are so large: bytes, 500MB, 2GiB."),
    ] = None,
    identity: IdentityOption = "",
    as_json: JsonOption = False,
    env_file: EnvFileOption = None,
    verbose: VerboseOption = 0,
    log_format: LogFormatOption = "text",
) -> None:
    """Record everyone in a room, a file for each participant, into a new folder.

    The room sees that it is recorded. Ctrl-C ends the recording well: the room is left, the
    files are joined and checked. What an earlier crash left in DIR is finished meanwhile.
    """
    from agent.recording.recorder import RecordingOptions
    from agent.room import Source

    surroundings = surroundings_of(context)
    reach = surroundings.connect(env_file)
    folder = out_folder(surroundings.settings(env_file), out)
    options = RecordingOptions(
        include=include or (),
        exclude=exclude or (),
        sources=[Source(name.value) for name in source or ()],
        seconds=seconds,
        until_empty_s=until_empty or None,
        max_bytes=None if max_bytes is None else size_in_bytes(max_bytes),
    )
    console = configure_logging(verbose, log_format)
    checked = room_name(room), participant_identity(identity) if identity else ""
    with ProgressLine(console) as line:
        result = asyncio.run(_record(reach, *checked, folder, options, container, line))
    if result is None:
        line.say("stopped before the room was joined: nothing is recorded")
        raise typer.Exit
    report(line, result, as_json=as_json)
    raise typer.Exit(result.exit_code)


async def _record(
    reach: Reach,
    room: str,
    identity: str,
    out: Path,
    options: "RecordingOptions",
    container: Container,
    line: ProgressLine,
) -> "RecordingResult | None":
    """Return ``None`` if it was stopped before it began."""
    from agent.recording.job import record_room

    def announce() -> None:
        line.say("stopping; a second signal leaves at once")

    result: RecordingResult | None = None
    line.update(f"joining {room!r}")
    with stopping(announce) as wish:
        async with wish.until_joined():
            result = await record_room(
                reach.surroundings.rooms(),
                lambda identity: reach.accesses(room, identity, recorder=True),
                room,
                out,
                options,
                stop=wish.asked,
                watcher=RecordingLine(line, wish.joined),
                identity=identity,
                container=container,
            )
    return result


class RecordingLine:
    """Tells on one line how a recording goes."""

    def __init__(self, line: ProgressLine, on_joined: Callable[[], None]) -> None:
        self._line = line
        self._on_joined = on_joined

    def started(self, folder: Path) -> None:
        """Say where it goes."""
        self._on_joined()
        self._line.say(f"recording into {folder}")

    def progressed(self, progress: "Progress") -> None:
        """Say what there is."""
        self._line.update(progress_line(progress))

    def finishing(self) -> None:
        """Say why it isn't over yet."""
        self._line.update("left the room; joining and checking the files")

    def rescued(self, rescue: "Rescue") -> None:
        """Say what became of another recording."""
        self._line.say(rescue_line(rescue))


def report(line: ProgressLine, result: "RecordingResult", *, as_json: bool) -> None:
    """Print what a recording came to, and what is wrong with it."""
    for problem in result.problems:
        line.say(f"roomcast: {problem}")
    if as_json:
        show_json(_document(result))
    else:
        show(*outcome(result.folder, result.manifest))


def _document(result: "RecordingResult") -> dict[str, object]:
    """Return a finished recording for a program."""
    return {
        "folder": str(result.folder),
        "end_reason": result.stop.value,
        "problems": result.problems,
        "manifest": result.manifest.model_dump(mode="json"),
    }
