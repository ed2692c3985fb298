"""The log, on standard error: quiet unless asked, one line a record, no secret in it."""

import json
import logging
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from agent.cli.options import LogFormat
from agent.cli.output import readable, stderr_console
from agent.redaction import without_secrets

_SDK = "livekit"
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class LineFormatter(logging.Formatter):
    """Writes a record as one line, whatever it quotes; a traceback follows."""

    def __init__(self, style: LogFormat) -> None:
        super().__init__()
        self._log_format = style

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        at = datetime.fromtimestamp(record.created, UTC)
        level = record.levelname.lower()
        message = without_secrets(record.getMessage())
        trace = without_secrets(self.formatException(record.exc_info)) if record.exc_info else ""
        if self._log_format == "json":
            line = {
                "at": at.isoformat(timespec="milliseconds"),
                "level": level,
                "logger": record.name,
                "event": message,
            }
            return json.dumps(line | ({"traceback": trace} if trace else {}))
        text = f"{at.astimezone():%H:%M:%S} {level}: {readable(message)}"
        return f"{text}\n{trace}" if trace else text


class ConsoleHandler(logging.Handler):
    """Writes through a console, so that a live line below stays in its place."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._console.print(Text(self.format(record)), soft_wrap=True)


def configure_logging(verbose: int, style: LogFormat) -> Console:
    """Send the log to standard error; return the console that it goes through.

    Args:
        verbose: 0 tells what may need somebody to act, 1 what happens too, 2 everything. The
            SDK is heard from 1 on: what it reports of weight, we say ourselves.
        style: For people or for programs.
    """
    console = stderr_console()
    handler = ConsoleHandler(console)
    handler.setFormatter(LineFormatter(style))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[min(verbose, len(_LEVELS) - 1)])
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger(_SDK).setLevel(logging.NOTSET if verbose else logging.CRITICAL + 1)
    return console
