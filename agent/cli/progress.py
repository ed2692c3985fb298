"""How something goes: a live line on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

PLAIN_EVERY_S = 10.0


class ProgressLine:
    """One line about now, on standard error."""

    def __init__(
        self, console: Console, *, read_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._clock = read_clock
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(self._spinner, console=console, transient=True, refresh_per_second=8)
        self._next_at = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, line: str) -> None:
        """Say how it stands; where nothing can be redrawn, only if enough time has passed."""
        if self._live is not None:
            self._spinner.update(text=Text(line, no_wrap=True, overflow="ellipsis"))
            return
        now = self._clock()
        if now >= self._next_at:
            self._next_at = now + PLAIN_EVERY_S
            self._print(line)

    def say(self, line: str) -> None:
        """Say something that stays on the screen."""
        self._next_at = self._clock() + PLAIN_EVERY_S
        self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)
