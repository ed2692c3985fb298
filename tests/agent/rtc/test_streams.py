import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from agent.media import Frame, VideoFrame
from agent.rtc.media_loop import MediaLoop
from agent.rtc.streams import RtcFrameStream, stacked_planes


def planes(width: int, height: int) -> bytearray:
    """Return I420 planes that are all 1, all 2 and all 3."""
    chroma = ((width + 1) // 2) * ((height + 1) // 2)
    return bytearray([1] * (width * height) + [2] * chroma + [3] * chroma)


def picture(shade: int) -> VideoFrame:
    return VideoFrame(np.full((12, 8), shade, np.uint8), shade)


def test_even_planes_are_not_copied() -> None:
    data = planes(8, 4)
    stacked = stacked_planes(memoryview(data), 8, 4)
    data[0] = 99

    assert stacked.shape == (6, 8)
    assert stacked[0, 0] == 99


@pytest.mark.parametrize(("width", "height"), [(9, 4), (8, 5), (9, 5), (641, 361)])
def test_odd_planes_lose_their_last_row_or_column(width: int, height: int) -> None:
    stacked = stacked_planes(memoryview(planes(width, height)), width, height)
    even_width, even_height = width // 2 * 2, height // 2 * 2
    chroma = even_width * even_height // 4

    assert stacked.shape == (even_height * 3 // 2, even_width)
    values = stacked.reshape(-1).tolist()
    assert values == [1] * (4 * chroma) + [2] * chroma + [3] * chroma


async def endless(put: Callable[[Frame], None]) -> None:
    for shade in range(3):
        put(picture(shade))
    await asyncio.Event().wait()


async def test_an_ended_stream_gives_what_is_buffered_and_ends() -> None:
    stream = RtcFrameStream(MediaLoop(), 10_000, endless)
    frames = stream.__aiter__()
    first = await anext(frames)
    await stream.aclose()

    assert [f.pts for f in [first, *[f async for f in frames]] if isinstance(f, VideoFrame)] == [
        0,
        1,
        2,
    ]


async def test_a_stream_whose_source_ends_ends() -> None:
    async def short(put: Callable[[Frame], None]) -> None:
        put(picture(1))

    stream = RtcFrameStream(MediaLoop(), 10_000, short)

    assert len([frame async for frame in stream]) == 1


async def test_a_slow_reader_costs_frames_that_are_counted() -> None:
    async def many(put: Callable[[Frame], None]) -> None:
        for shade in range(10):
            put(picture(shade))

    stream = RtcFrameStream(MediaLoop(), 2 * picture(0).nbytes, many)
    await stream.finished(5.0)

    assert [frame.pts for frame in [f async for f in stream] if isinstance(frame, VideoFrame)] == [
        8,
        9,
    ]
    assert stream.dropped == 8
