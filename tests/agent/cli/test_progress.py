import io
from dataclasses import dataclass

from rich.console import Console

from agent.cli.progress import PLAIN_EVERY_S, ProgressLine


@dataclass
class Watch:
    now: float = 0.0

    def read(self) -> float:
        return self.now


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=60, markup=False), file


def test_where_nothing_can_be_redrawn_a_line_comes_now_and_then() -> None:
    screen, file = console(terminal=False)
    watch = Watch()

    with ProgressLine(screen, read_clock=watch.read) as line:
        for second in range(25):
            watch.now = float(second)
            line.update(f"second {second}")

    shown = [f"second {second}" for second in range(0, 25, int(PLAIN_EVERY_S))]
    assert file.getvalue().splitlines() == shown


def test_what_stays_is_always_said() -> None:
    screen, file = console(terminal=False)

    with ProgressLine(screen, read_clock=Watch().read) as line:
        line.say("recording into a")
        line.say("a long line is not broken: " + "x" * 100)
        line.update("not now: something was just said")

    assert len(file.getvalue().splitlines()) == 2


def test_on_a_terminal_the_line_is_redrawn_and_goes_with_the_end() -> None:
    screen, file = console(terminal=True)

    with ProgressLine(screen) as line:
        line.update("first")
        line.update("second " + "x" * 100)
        line.say("stays")

    drawn = file.getvalue()
    assert "stays" in drawn
    assert "…" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")
