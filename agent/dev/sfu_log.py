"""What the SFU's log says, without the secrets that are in it."""

import json
from pathlib import Path

from agent.redaction import without_secrets

_TAIL_BYTES = 64 * 1024
_LONGEST = 300


def last_words(log: Path, *, since: int = 0) -> str:
    """Return the last thing the SFU complained of, or else said, after ``since`` bytes.

    Tokens are taken out. Empty if it said nothing.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    entries = [entry for entry in map(_entry, lines) if entry[1]]
    complaints = [text for complains, text in entries if complains]
    crashes = [text for text in complaints if text.startswith(("panic:", "fatal error:"))]
    last = crashes[:1] or complaints[-1:] or [text for _, text in entries[-1:]]
    return without_secrets(last[0])[:_LONGEST] if last else ""


def _entry(line: str) -> tuple[bool, str]:
    """Return whether the line complains, and what it says to a person."""
    try:
        fields = json.loads(line)
    except ValueError:
        return True, line.strip()  # what ends it at its start comes as plain text
    if not isinstance(fields, dict):
        return True, line.strip()
    said = (fields.get("msg"), fields.get("error"))
    text = ": ".join(str(part) for part in said if part)
    return fields.get("level") not in ("debug", "info"), text
