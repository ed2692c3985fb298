"""What no policy can allow in the name of a participant or a room."""

from typing import Final

NAME_BYTES: Final = 256
"""The SFU's limit for an identity, a display name and the name of a room, each."""

RESERVED_NAMES: Final = frozenset({"bot", "broadcaster", "echo", "player", "recorder", "roomcast"})
RESERVED_PREFIXES: Final = ("agent-", "bot-", "rec-")


def is_sound(name: str) -> bool:
    """Tell whether ``name`` can be an identity or a room at all, whatever the policy says.

    ``#`` separates an identity from a suffix that the SFU appends, ``/`` an identity from the
    name of a track that a bot publishes for it; neither may be chosen by a client.
    """
    return is_display_name(name) and name != "" and not any(c in "#/" or c.isspace() for c in name)


def is_display_name(name: str) -> bool:
    """Tell whether ``name`` fits the SFU's limit and shows as one line of text."""
    return len(name.encode()) <= NAME_BYTES and not any(
        ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029" for c in name
    )


def is_reserved(identity: str) -> bool:
    """Tell whether ``identity`` is one by which people recognise a recorder or another bot.

    The case does not matter: ``REC-1`` is meant to be read as ``rec-1``.
    """
    folded = identity.casefold()
    return folded in RESERVED_NAMES or folded.startswith(RESERVED_PREFIXES)
