"""What commands take from outside themselves, in one place, so that tests can hand in another."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Context

from agent.config import Connection, Environment, connection, with_env_file

if TYPE_CHECKING:  # what they import takes longer to load than the whole command line
    from agent.identity import AccessSource
    from agent.room import Room


def _sdk_rooms() -> "Callable[[], Room]":
    from agent.rtc.room import RtcRoom

    # A recorder asks for what it records; who shows something would decode it all for nobody.
    return partial(RtcRoom, auto_subscribe=False)


def _accesses(connection: Connection, room: str, identity: str, recorder: bool) -> "AccessSource":
    return connection.accesses(room, identity, recorder=recorder)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world as commands see it.

    Attributes:
        environment: The process's.
        rooms: Returns what makes a connection that is not joined yet.
        accesses: Returns where the tokens come from, of which connection, room and identity, and
            whether of a recorder.
    """

    environment: Environment = field(default_factory=lambda: dict(os.environ), repr=False)
    rooms: "Callable[[], Callable[[], Room]]" = _sdk_rooms
    accesses: "Callable[[Connection, str, str, bool], AccessSource]" = _accesses

    def settings(self, env_file: Path | None) -> Environment:
        """Return the environment, with a file's variables if one was named."""
        return with_env_file(self.environment, env_file)

    def connect(self, env_file: Path | None) -> "Reach":
        """Return how to get into rooms.

        Raises:
            UsageError: If the environment doesn't say.
        """
        return Reach(self, connection(self.settings(env_file)))


@dataclass(frozen=True, slots=True)
class Reach:
    """A way into rooms."""

    surroundings: Surroundings
    connection: Connection

    def accesses(self, room: str, identity: str, *, recorder: bool) -> "AccessSource":
        """Return where the tokens of ``identity``, a recorder or not, for ``room`` come from."""
        return self.surroundings.accesses(self.connection, room, identity, recorder)


def surroundings_of(context: Context) -> Surroundings:
    """Return those that a test handed in, or the real ones."""
    given = context.find_object(Surroundings)
    return given if given is not None else Surroundings()
