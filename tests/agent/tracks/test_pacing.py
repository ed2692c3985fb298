import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.media import VIDEO_CLOCK_RATE, VideoFrame
from agent.tracks.pacing import Lateness, paced
from tests.doubles import ManualClock, settle

BLACK = np.zeros((3, 2), np.uint8)


async def pictures(*seconds: float) -> AsyncIterator[VideoFrame]:
    for time in seconds:
        yield VideoFrame(BLACK, round(time * VIDEO_CLOCK_RATE))


async def test_a_frame_leaves_when_its_media_time_comes(clock: ManualClock) -> None:
    left: list[tuple[float, float]] = []

    async def publish() -> None:
        async for frame in paced(pictures(0.0, 0.5, 1.0), clock, epoch=0.0):
            left.append((clock.now(), float(frame.time)))

    task = asyncio.create_task(publish())
    await clock.advance(0.75)
    assert left == [(0.0, 0.0), (0.5, 0.5)]

    await clock.advance(0.25)
    assert left[2:] == [(1.0, 1.0)]
    await task


async def test_a_picture_that_is_too_late_is_skipped_and_reported(clock: ManualClock) -> None:
    await clock.advance(10.0)
    late: list[VideoFrame] = []

    left = [
        float(frame.time)
        async for frame in paced(
            pictures(9.0, 9.9, 10.0), clock, epoch=0.0, max_lateness=0.2, on_late=late.append
        )
    ]

    assert left == [9.9, 10.0]
    assert [float(frame.time) for frame in late] == [9.0]


async def test_once_one_is_skipped_so_are_those_after_it_until_one_is_in_time(
    clock: ManualClock,
) -> None:
    await clock.advance(10.0)

    left = [
        float(frame.time)
        async for frame in paced(
            pictures(9.7, 9.85, 9.95, 9.98, 10.0),
            clock,
            epoch=0.0,
            max_lateness=0.2,
            catch_up=0.03,
        )
    ]

    assert left == [9.98, 10.0]


async def test_nothing_is_skipped_unless_asked_for(clock: ManualClock) -> None:
    await clock.advance(10.0)

    left = [float(frame.time) async for frame in paced(pictures(0.0, 1.0), clock, epoch=0.0)]

    assert left == [0.0, 1.0]


async def test_how_late_frames_left_is_counted(clock: ManualClock) -> None:
    await clock.advance(10.0)
    lateness = Lateness()

    async for _ in paced(
        pictures(1.0, 9.75, 10.0), clock, epoch=0.0, max_lateness=0.5, lateness=lateness
    ):
        pass

    assert (lateness.count, lateness.max_s) == (2, 0.25)


async def test_skipping_what_needs_no_wait_lets_others_run(clock: ManualClock) -> None:
    await clock.advance(1000.0)
    skipped: list[VideoFrame] = []
    skipping = paced(
        pictures(*range(900)), clock, epoch=0.0, max_lateness=1.0, on_late=skipped.append
    )

    task = asyncio.create_task(anext(skipping, None))
    await settle()

    assert 0 < len(skipped) < 100
    await task


@given(late=st.lists(st.floats(-0.1, 0.95), min_size=1), percent=st.floats(1, 100))
def test_a_percentile_is_that_of_the_values_to_a_millisecond(
    late: list[float], percent: float
) -> None:
    lateness = Lateness()
    for value in late:
        lateness.add(value)

    exact = float(np.percentile(np.maximum(late, 0), percent, method="inverted_cdf"))
    assert exact <= lateness.percentile(percent) + 1e-9 <= exact + 0.001 + 1e-6


@pytest.mark.parametrize(("late", "expected"), [([], 0.0), ([7.5], 7.5)])
def test_a_percentile_knows_no_frames_and_very_late_ones(
    late: list[float], expected: float
) -> None:
    lateness = Lateness()
    for value in late:
        lateness.add(value)

    assert lateness.percentile(99) == expected
