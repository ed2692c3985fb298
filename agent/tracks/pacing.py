"""Turning media time into the time at which a frame leaves."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TypeVar

import numpy as np

from agent.clock import Clock
from agent.media import AudioFrame, VideoFrame

FrameT = TypeVar("FrameT", AudioFrame, VideoFrame)


class Lateness:
    """How late frames left, counted in bins of a millisecond, so that it never grows.

    Attributes:
        max_s: The latest, in seconds.
    """

    _BINS = 1000

    def __init__(self) -> None:
        self.max_s = 0.0
        self._bins = np.zeros(self._BINS, np.int64)

    @property
    def count(self) -> int:
        """Number of frames counted."""
        return int(self._bins.sum())

    def add(self, late_s: float) -> None:
        """Count a frame that left ``late_s`` seconds after its time; early is on time."""
        self.max_s = max(self.max_s, late_s)
        self._bins[min(max(0, int(late_s * 1000)), self._BINS - 1)] += 1

    def percentile(self, percent: float) -> float:
        """Return the lateness in seconds that ``percent`` % of the frames kept to.

        Rounded up to a millisecond, never more than :attr:`max_s`; 0 without frames.
        """
        reached = np.cumsum(self._bins)
        if not reached[-1]:
            return 0.0
        upto = int(np.searchsorted(reached, reached[-1] * percent / 100))
        return self.max_s if upto >= self._BINS - 1 else min(self.max_s, (upto + 1) / 1000)


async def paced(
    frames: AsyncIterable[FrameT],
    clock: Clock,
    *,
    epoch: float,
    max_lateness: float | None = None,
    catch_up: float | None = None,
    on_late: Callable[[FrameT], None] = lambda _: None,
    lateness: Lateness | None = None,
) -> AsyncGenerator[FrameT, None]:
    """Yield each frame when ``clock`` reads ``epoch + frame.time``.

    Tracks paced against the same clock and epoch stay in sync with each other.

    Args:
        frames: In order of media time.
        clock: What to wait on.
        epoch: The clock's reading, in seconds, at media time 0.
        max_lateness: Seconds. A frame later than that is handed to ``on_late`` and
            skipped. ``None`` skips nothing.
        catch_up: Seconds. Once a frame was skipped, those after it are too, up to the first
            that is no later than this. Defaults to ``max_lateness``.
        on_late: Called with each frame skipped.
        lateness: Where to count how late those that weren't skipped left.
    """
    bound = max_lateness
    async for frame in frames:
        due = epoch + float(frame.time)
        if bound is not None and clock.now() - due > bound:
            bound = max_lateness if catch_up is None else catch_up
            on_late(frame)
            await asyncio.sleep(0)  # drawn frames come without a wait: let others run
            continue
        bound = max_lateness
        await clock.sleep_until(due)
        if lateness is not None:
            lateness.add(clock.now() - due)
        yield frame
