"""What ``roomcast play`` and ``roomcast publish`` do alike."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from agent.cli.output import show, show_json
from agent.cli.playing_text import PlayingLine, shown_document, shown_table
from agent.cli.progress import ProgressLine
from agent.cli.signals import stopping
from agent.cli.surroundings import Reach
from agent.config import participant_identity, room_name

if TYPE_CHECKING:  # what it imports takes longer to load than the whole command line
    from agent.playing import Item, Shown


@dataclass(frozen=True, slots=True)
class Showing:
    """Where to show something, as whom, and for how long at most."""

    reach: Reach
    room: str
    identity: str
    seconds: float | None

    @classmethod
    def checked(
        cls, reach: Reach, room: str, identity: str, default: str, seconds: float | None
    ) -> "Showing":
        """Make one of what was typed; ``default`` begins the identity that is made up.

        Raises:
            UsageError: If room or identity can't be called that.
        """
        chosen = identity or f"{default}-{secrets.token_hex(3)}"
        return cls(reach, room_name(room), participant_identity(chosen), seconds)

    def run(
        self, items: "Callable[[], AsyncGenerator[Item]]", line: ProgressLine, *, as_json: bool
    ) -> None:
        """Show ``items`` and print what became of them.

        Raises:
            ServiceError: If the room can't be joined, or was closed to us for good.
        """
        shown = asyncio.run(self._play(items, line))
        if shown is None:
            line.say("stopped before the room was joined: nothing was played")
            raise typer.Exit
        if as_json:
            show_json(shown_document(self.room, self.identity, shown))
        else:
            show(shown_table(shown))

    async def _play(
        self, items: "Callable[[], AsyncGenerator[Item]]", line: ProgressLine
    ) -> "list[Shown] | None":
        from agent.playing import play_in_room

        def announce() -> None:
            line.say("stopping; a second signal leaves at once")

        surroundings = self.reach.surroundings
        shown: list[Shown] | None = None
        line.update(f"joining {self.room!r}")
        with stopping(announce) as wish:
            async with wish.until_joined():
                shown = await play_in_room(
                    surroundings.rooms(),
                    self.reach.accesses(self.room, self.identity, recorder=False),
                    items(),
                    stop=wish.asked,
                    watcher=PlayingLine(line, self.room, wish.joined),
                    seconds=self.seconds,
                )
        return shown
