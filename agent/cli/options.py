"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
VerboseOption = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        metavar="",
        show_default=False,
        help="Log more, the SDK's words too; -vv still more.",
    ),
]
LogFormat = Literal["text", "json"]
LogFormatOption = Annotated[LogFormat, typer.Option(help="How to write the log, on stderr.")]
EnvFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read variables from a file; they beat the environment's."),
]
IdentityOption = Annotated[
    str, typer.Option(metavar="ID", help="Join under this identity.", show_default=False)
]
RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="The room's name.")]
SecondsOption = Annotated[
    float | None,
    typer.Option(min=0.1, metavar="N", help="End after so many seconds.", show_default=False),
]
