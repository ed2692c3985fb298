"""What is being published, in words and tables for a person."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from agent.cli.output import clock_time, readable
from agent.cli.progress import ProgressLine

if TYPE_CHECKING:  # what it imports takes longer to load than the whole command line
    from agent.playing import Shown


class PlayingLine:
    """Tells on one line how playing goes."""

    def __init__(self, line: ProgressLine, room: str, on_joined: Callable[[], None]) -> None:
        self._line = line
        self._room = room
        self._on_joined = on_joined

    def started(self, identity: str) -> None:
        """Say who we are."""
        self._on_joined()
        self._line.say(f"joined {self._room!r} as {readable(identity)}")

    def progressed(self, shown: "Shown") -> None:
        """Say how far it is."""
        length = f" of {clock_time(shown.length_s)}" if shown.length_s else ""
        skipped = f" · {shown.skipped} skipped" if shown.skipped else ""
        title = readable(shown.title)
        self._line.update(f"playing {title} · {clock_time(shown.position_s)}{length}{skipped}")


def shown_table(shown: "Sequence[Shown]") -> Table:
    """Return a row for each thing that was published."""
    table = Table()
    table.add_column("published", overflow="fold")
    for heading in ("seconds", "pictures", "blocks of sound", "skipped"):
        table.add_column(heading, justify="right")
    for item in shown:
        table.add_row(
            readable(item.title),
            f"{item.position_s:.1f}",
            str(item.pictures),
            str(item.blocks),
            str(item.skipped),
        )
    return table


def shown_document(room: str, identity: str, shown: "Sequence[Shown]") -> dict[str, object]:
    """Return what was published for a program."""
    return {
        "room": room,
        "identity": identity,
        "published": [
            {
                "title": item.title,
                "seconds": round(item.position_s, 3),
                "pictures": item.pictures,
                "blocks": item.blocks,
                "skipped": item.skipped,
            }
            for item in shown
        ],
    }
