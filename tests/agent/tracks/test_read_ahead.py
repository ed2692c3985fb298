import asyncio
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from agent.media import AudioFrame, Kind, VideoFrame
from agent.tracks.read_ahead import READ_AHEAD_BYTES, READ_AHEAD_S, ReadAhead

BOTH = (Kind.VIDEO, Kind.AUDIO)


def picture(seconds: float, nbytes: int = 6) -> VideoFrame:
    return VideoFrame(np.zeros((nbytes // 2, 2), np.uint8), round(seconds * 90_000))


def block(seconds: float) -> AudioFrame:
    return AudioFrame(np.zeros((960, 1), np.int16), 48_000, round(seconds * 48_000))


@contextmanager
def asked(ahead: ReadAhead, *lacking: Kind) -> Iterator["Future[Kind | None]"]:
    """Ask on a thread what is wanted next, which may take until something is read."""
    with ThreadPoolExecutor(1) as threads:
        try:
            yield threads.submit(ahead.next_wanted, lacking)
        finally:
            ahead.close()


def is_waiting(wanted: "Future[Kind | None]") -> bool:
    return not futures.wait([wanted], timeout=0.05).done


async def test_the_track_that_is_behind_comes_next() -> None:
    ahead = ReadAhead(BOTH)
    ahead.put(Kind.VIDEO, picture(0.04))
    assert ahead.next_wanted() is Kind.AUDIO

    ahead.put(Kind.AUDIO, block(0.06))
    assert ahead.next_wanted() is Kind.VIDEO


async def test_a_track_that_lacks_packets_is_passed_over() -> None:
    assert ReadAhead(BOTH).next_wanted({Kind.VIDEO}) is Kind.AUDIO


@pytest.mark.parametrize(
    ("nbytes", "last"), [(6, READ_AHEAD_S), (READ_AHEAD_BYTES, 0.04)], ids=["time", "bytes"]
)
async def test_the_thread_waits_while_enough_is_ahead_until_some_is_read(
    nbytes: int, last: float
) -> None:
    ahead = ReadAhead([Kind.VIDEO])
    ahead.put(Kind.VIDEO, picture(0.0, nbytes))
    ahead.put(Kind.VIDEO, picture(last))

    with asked(ahead) as wanted:
        assert is_waiting(wanted)
        await ahead.take(Kind.VIDEO)
        assert await asyncio.wrap_future(wanted) is Kind.VIDEO


async def test_one_frame_is_taken_however_heavy() -> None:
    ahead = ReadAhead([Kind.VIDEO])

    assert ahead.next_wanted() is Kind.VIDEO
    ahead.put(Kind.VIDEO, picture(0.0, 2 * READ_AHEAD_BYTES))

    assert await ahead.take(Kind.VIDEO) is not None


async def test_a_track_that_lacked_packets_is_asked_again_once_the_other_was_read() -> None:
    ahead = ReadAhead(BOTH)
    ahead.put(Kind.AUDIO, block(0.0))
    ahead.put(Kind.AUDIO, block(READ_AHEAD_S))

    with asked(ahead, Kind.VIDEO) as wanted:
        assert is_waiting(wanted)
        await ahead.take(Kind.AUDIO)
        assert await asyncio.wrap_future(wanted) is Kind.VIDEO


async def test_a_reader_waits_for_a_frame_from_the_thread() -> None:
    ahead = ReadAhead([Kind.VIDEO])
    taking = asyncio.create_task(ahead.take(Kind.VIDEO))
    await asyncio.sleep(0)
    frame = picture(0.0)

    await asyncio.to_thread(ahead.put, Kind.VIDEO, frame)

    assert await taking is frame


async def test_a_track_that_has_ended_gives_what_is_left_and_then_the_end() -> None:
    ahead = ReadAhead([Kind.VIDEO])
    frame = picture(0.0)
    ahead.put(Kind.VIDEO, frame)
    ahead.end(Kind.VIDEO)

    assert await ahead.take(Kind.VIDEO) is frame
    assert await ahead.take(Kind.VIDEO) is None
    assert ahead.next_wanted() is None


async def test_closing_ends_the_tracks_and_lets_the_thread_go() -> None:
    ahead = ReadAhead(BOTH)
    for seconds in (0.0, READ_AHEAD_S):
        ahead.put(Kind.VIDEO, picture(seconds))
        ahead.put(Kind.AUDIO, block(seconds))

    with asked(ahead) as wanted:
        ahead.close()
        assert await asyncio.wrap_future(wanted) is None
    assert await ahead.take(Kind.VIDEO) is None
    assert await ahead.take(Kind.AUDIO) is None
