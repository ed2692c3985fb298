"""The log: one line per event, with its facts as fields, for people or for programs."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

_FACTS: Final = "facts"


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


def facts(**values: str | float | None) -> Mapping[str, Mapping[str, str | float | None]]:
    """Return what to hand to a logger as ``extra``, so that ``values`` become fields."""
    return {_FACTS: values}


class LineFormatter(logging.Formatter):
    """Writes a record as one line; whatever a field holds, it cannot start another."""

    def __init__(self, style: LogFormat) -> None:
        super().__init__()
        self._format = style

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values: Mapping[str, object] = getattr(record, _FACTS, {})
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if self._format is LogFormat.JSON:
            line = {
                "at": at,
                "level": record.levelname.lower(),
                "logger": record.name,
                "event": record.getMessage(),
                **values,
                **({"traceback": trace} if trace else {}),
            }
            return json.dumps(line)
        fields = "".join(f" {name}={json.dumps(value)}" for name, value in values.items())
        text = f"{at} {record.levelname.lower()} {json.dumps(record.getMessage())[1:-1]}{fields}"
        return f"{text}\n{trace}" if trace else text


class NoExceptionText(logging.Filter):
    """Leaves of an exception only its type.

    For the logger of aiohttp's HTTP parser, whose errors quote the header they stumbled over,
    and that may be the one with the credential.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, shortened."""
        if record.exc_info and record.exc_info[0]:
            record.msg, record.args = f"bad HTTP: {record.exc_info[0].__name__}", ()
            record.exc_info = record.exc_text = None
        return True


def configure_logging(style: LogFormat) -> None:
    """Send everything from INFO on to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(style))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
