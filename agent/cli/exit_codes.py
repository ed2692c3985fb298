"""What a command ends with; the one place where errors become exit codes."""

import sys
from collections.abc import Iterator
from typing import Any

from typer import Exit
from typer.core import TyperGroup

from agent.errors import AgentError
from agent.redaction import without_secrets

BUG = 1
LEFT_AT_ONCE = 130


class Commands(TyperGroup):
    """Commands whose foreseen errors are a sentence each, and an exit code for the worst."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the class behind ctx is Typer's secret
        """Run what was asked for.

        Raises:
            Exit: With the code of the worst error, after telling all of them.
            ExceptionGroup: With whatever else was in a group with them: bugs.
        """
        code = 0
        try:
            return super().invoke(ctx)
        except* AgentError as errors:
            for error in _each(errors):
                print(f"roomcast: {without_secrets(str(error))}", file=sys.stderr)
                code = max(code, error.exit_code)
        raise Exit(code)


def _each(errors: BaseExceptionGroup[AgentError]) -> Iterator[AgentError]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _each(error)
        else:
            yield error
