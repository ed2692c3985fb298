"""``roomcast publish``."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.logs import configure_logging
from agent.cli.options import (
    EnvFileOption,
    IdentityOption,
    JsonOption,
    LogFormatOption,
    RoomArgument,
    SecondsOption,
    VerboseOption,
)
from agent.cli.progress import ProgressLine
from agent.cli.show import Showing
from agent.cli.surroundings import surroundings_of

if TYPE_CHECKING:  # what it imports takes longer to load than the whole command line
    from agent.playing import Item

EXAMPLES = (
    "roomcast publish demo",
    "roomcast publish demo --video bars:640x360@15 --seconds 30",
    "roomcast publish demo --audio tone:1000",
)

_VIDEO = "bars:1280x720@30"
_BEEPS = "beep:440"


def publish(
    context: typer.Context,
    room: RoomArgument,
    video: Annotated[
        str | None,
        typer.Option(metavar="PICTURES", help=f"Test pictures: {_VIDEO}.", show_default=False),
    ] = None,
    audio: Annotated[
        str | None,
        typer.Option(
            metavar="SOUND",
            help="A sine, tone:440, or one with a beep each second, beep:440.",
            show_default=False,
        ),
    ] = None,
    seconds: SecondsOption = None,
    identity: IdentityOption = "",
    as_json: JsonOption = False,
    env_file: EnvFileOption = None,
    verbose: VerboseOption = 0,
    log_format: LogFormatOption = "text",
) -> None:
    """Publish test pictures and sound into a room, until Ctrl-C.

    The pictures carry their number and the time, and flash when the sound beeps: what a
    recording or another participant got can be compared with what was sent. Without --video and
    --audio both are published.
    """
    if video is None and audio is None:
        video, audio = _VIDEO, _BEEPS
    reach = surroundings_of(context).connect(env_file)
    showing = Showing.checked(reach, room, identity, "publish", seconds)
    item = _item(video, audio, showing.identity)

    async def items() -> "AsyncGenerator[Item]":
        yield item

    with ProgressLine(configure_logging(verbose, log_format)) as line:
        showing.run(items, line, as_json=as_json)


def _item(video: str | None, audio: str | None, identity: str) -> "Item":
    from agent.playing import Item
    from agent.room import AudioOptions, VideoOptions
    from agent.tracks.pattern import source_id
    from agent.tracks.source import parse_audio, parse_video

    pattern = parse_video(video, source_id=source_id(identity)) if video else None
    tone = parse_audio(audio) if audio else None
    return Item(
        " and ".join(text for text in (video, audio) if text),
        video=(pattern, VideoOptions(pattern.width, pattern.height, float(pattern.fps)))
        if pattern
        else None,
        audio=(tone, AudioOptions(tone.sample_rate, tone.channels)) if tone else None,
    )
