"""``roomcast``: argv to typed options to one call. All printing and all exit codes are here."""

import sys
import traceback
from typing import NoReturn

from agent.cli.exit_codes import BUG, LEFT_AT_ONCE
from agent.redaction import without_secrets
from agent.rtc.process_exit import leave_process


def main() -> NoReturn:
    """Run the command line, and end the process the way the SDK survives."""
    leave_process(_run())


def _run() -> int:
    try:
        from agent.cli.app import app

        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        return LEFT_AT_ONCE
    except Exception:  # noqa: BLE001 - the edge of the process: a bug shows its traceback
        print(without_secrets(traceback.format_exc()), end="", file=sys.stderr)
        return BUG
    return 0
