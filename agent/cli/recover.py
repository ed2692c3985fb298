"""``roomcast recover``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.logs import configure_logging
from agent.cli.options import JsonOption, LogFormatOption, VerboseOption
from agent.cli.output import show, show_json
from agent.cli.progress import ProgressLine
from agent.cli.recording_text import rescue_line
from agent.cli.signals import on_signal
from agent.errors import MediaLossError, UsageError

if TYPE_CHECKING:  # what it imports takes longer to load than the whole command line
    from agent.recording.recovery import Rescue

EXAMPLES = (
    "roomcast recover recordings",
    "roomcast recover /srv/rec/demo--2026-11-23T10-15-02Z--ab12cd --json",
)


def recover(
    place: Annotated[
        Path, typer.Argument(metavar="DIR", help="A recording, or a folder of recordings.")
    ],
    as_json: JsonOption = False,
    verbose: VerboseOption = 0,
    log_format: LogFormatOption = "text",
) -> None:
    """Finish recordings that a crash left unfinished.

    Recordings that somebody is still writing, here or on another machine, are left alone; those
    that are finished need nothing. It can be broken off and run again. The exit code is 4 if
    something is damaged.
    """
    from agent.recording.recovery import recover as recovered

    if not place.is_dir():
        message = f"there is no folder {place}"
        raise UsageError(message)
    console = configure_logging(verbose, log_format)
    rescues: list[Rescue] = []
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        line.say("stopping after this recording; a second signal leaves at once")

    with ProgressLine(console) as line, on_signal(stop):
        line.update(f"looking through {place}")
        for rescue in recovered(place):
            rescues.append(rescue)
            line.update(rescue_line(rescue))
            if stopped:
                break
    if as_json:
        show_json({"recordings": [_document(rescue) for rescue in rescues]})
    else:
        touched = [rescue_line(rescue) for rescue in rescues if _is_worth_a_word(rescue)]
        rest = len(rescues) - len(touched)
        show(*touched, f"{rest} of {len(rescues)} recordings in {place} needed nothing")
    raise typer.Exit(MediaLossError.exit_code if any(it.problems for it in rescues) else 0)


def _is_worth_a_word(rescue: "Rescue") -> bool:
    return bool(rescue.recovered or rescue.owner or rescue.problems)


def _document(rescue: "Rescue") -> dict[str, object]:
    manifest = rescue.manifest
    return {
        "folder": str(rescue.folder),
        "recovered": rescue.recovered,
        "owner": rescue.owner or None,
        "state": manifest.state.value if manifest else None,
        "duration_s": manifest.duration_s if manifest else None,
        "files": [entry.path for entry in manifest.files] if manifest else [],
        "problems": rescue.problems,
    }
