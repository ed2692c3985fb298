"""``roomcast play``."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
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
from agent.errors import MediaFileError

if TYPE_CHECKING:  # what they import takes longer to load than the whole command line
    from agent.playing import Item
    from agent.tracks.file import MediaFile

EXAMPLES = (
    "roomcast play demo intro.mp4",
    "roomcast play demo intro.mp4 talk.webm --start 90",
    "roomcast play demo background.mp3 --loop --identity jukebox",
)

MAX_HEIGHT = 1080
"""Higher pictures are scaled down: more is too much for one encoder that works as we play."""

_USUAL_FPS = Fraction(30)


def play(
    context: typer.Context,
    room: RoomArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Audio or video files, in any format.")
    ],
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin again after the last, until Ctrl-C.")
    ] = False,
    start: Annotated[
        float, typer.Option(min=0, metavar="T", help="Begin T seconds into the first file.")
    ] = 0,
    seconds: SecondsOption = None,
    identity: IdentityOption = "",
    as_json: JsonOption = False,
    env_file: EnvFileOption = None,
    verbose: VerboseOption = 0,
    log_format: LogFormatOption = "text",
) -> None:
    """Play media files into a room, picture and sound in step, and leave after the last.

    All of them are looked at before the room is joined, so that a file that can't be played is
    told at once.
    """
    reach = surroundings_of(context).connect(env_file)
    showing = Showing.checked(reach, room, identity, "play", seconds)
    console = configure_logging(verbose, log_format)
    asyncio.run(_check(files, start))
    damaged: list[Path] = []
    with ProgressLine(console) as line:
        showing.run(lambda: _items(files, start, damaged, loop=loop), line, as_json=as_json)
    if damaged:
        raise MediaFileError(damaged[0], "it is damaged; what could be decoded of it was played")


async def _check(files: Sequence[Path], start_s: float) -> None:
    """Open each file for a moment.

    Raises:
        MediaFileError: If one can't be played.
    """
    from agent.tracks.file import MediaFile

    for path, begin_s in _with_starts(files, start_s):
        async with await MediaFile.open(path, start_s=begin_s):
            pass


async def _items(
    files: Sequence[Path], start_s: float, damaged: list[Path], *, loop: bool
) -> "AsyncGenerator[Item]":
    """Yield each file while it is open; list those that turn out to be damaged.

    A single one is looped without a gap.
    """
    from agent.tracks.file import MediaFile

    alone = len(files) == 1
    rounds: Iterable[float] = itertools.chain([start_s], itertools.repeat(0.0))
    for begin_s in rounds if loop and not alone else [start_s]:
        for path, this_s in _with_starts(files, begin_s):
            opening = MediaFile.open(
                path, loop=loop and alone, start_s=this_s, max_height=MAX_HEIGHT
            )
            async with await opening as file:
                yield _item(file, this_s, loop=loop and alone)
                if file.damaged and path not in damaged:
                    damaged.append(path)


def _with_starts(files: Sequence[Path], start_s: float) -> list[tuple[Path, float]]:
    return [(path, 0.0 if number else start_s) for number, path in enumerate(files)]


def _item(file: "MediaFile", start_s: float, *, loop: bool) -> "Item":
    from agent.playing import Item
    from agent.room import AudioOptions, VideoOptions

    length = file.length_s
    return Item(
        file.path.name,
        video=(file.video(), VideoOptions(file.width, file.height, float(file.fps or _USUAL_FPS)))
        if file.has_video
        else None,
        audio=(file.audio(), AudioOptions(file.sample_rate, file.channels))
        if file.has_audio
        else None,
        length_s=None if length is None or loop else max(0.0, length - start_s),
    )
