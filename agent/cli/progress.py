"""How something goes: a live line on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

PLAIN_EVERY_S = 10.0

REDRAWN_PER_S = 8
_TURNING = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class _Turning:
    """A text behind something that turns, so that one sees it live; cut to the width."""

    def __init__(self, read_clock: Callable[[], float]) -> None:
        self.text = ""
        self._clock = read_clock

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        turned = _TURNING[int(self._clock() * REDRAWN_PER_S) % len(_TURNING)]
        yield Text(f"{turned} {self.text}", no_wrap=True, overflow="ellipsis")


class ProgressLine:
    """One line about now, on standard error."""

    def __init__(
        self, console: Console, *, read_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._clock = read_clock
        self._turning = _Turning(read_clock)
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(
                self._turning, console=console, transient=True, refresh_per_second=REDRAWN_PER_S
            )
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
            self._turning.text = line
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
