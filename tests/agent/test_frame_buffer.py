import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from agent.frame_buffer import FrameBuffer
from tests.doubles import settle


async def taken(buffer: FrameBuffer[int]) -> list[int]:
    return [item async for item in buffer]


async def first(items: AsyncIterator[int]) -> int:
    return await asyncio.wait_for(anext(items), 5)


async def test_items_come_out_in_the_order_they_went_in() -> None:
    buffer = FrameBuffer[int](10)
    for item in range(5):
        buffer.put(item)
    buffer.close()

    assert await taken(buffer) == [0, 1, 2, 3, 4]
    assert buffer.dropped == 0


async def test_a_full_buffer_drops_the_oldest_and_counts_it() -> None:
    buffer = FrameBuffer[int](3)
    for item in range(5):
        buffer.put(item)
    buffer.close()

    assert await taken(buffer) == [2, 3, 4]
    assert buffer.dropped == 2


async def test_the_newest_is_kept_even_if_it_is_too_heavy_alone() -> None:
    buffer = FrameBuffer[int](10, weigh=lambda item: item)
    buffer.put(4)
    buffer.put(99)
    buffer.close()

    assert await taken(buffer) == [99]
    assert buffer.dropped == 1


async def test_what_was_read_weighs_nothing_any_more() -> None:
    buffer = FrameBuffer[int](10, weigh=lambda item: item)
    items = aiter(buffer)
    buffer.put(9)
    assert await first(items) == 9
    buffer.put(8)
    buffer.put(2)
    buffer.close()

    assert [item async for item in items] == [8, 2]
    assert buffer.dropped == 0


async def test_a_waiting_reader_gets_what_another_thread_puts() -> None:
    buffer = FrameBuffer[int](10)
    reading = asyncio.create_task(first(aiter(buffer)))
    await settle()

    await asyncio.to_thread(buffer.put, 7)

    assert await reading == 7


async def test_a_waiting_reader_ends_when_another_thread_closes() -> None:
    buffer = FrameBuffer[int](10)
    reading = asyncio.create_task(taken(buffer))
    await settle()

    await asyncio.to_thread(buffer.close)

    assert await asyncio.wait_for(reading, 5) == []


async def test_nothing_is_taken_in_after_the_close() -> None:
    buffer = FrameBuffer[int](10)
    buffer.put(1)
    buffer.close()
    buffer.put(2)
    buffer.close()

    assert await taken(buffer) == [1]
    assert buffer.dropped == 0


async def test_a_buffer_that_has_ended_ends_for_a_second_reader_too() -> None:
    buffer = FrameBuffer[int](10)
    buffer.close()

    assert await taken(buffer) == []
    assert await taken(buffer) == []


async def test_no_wake_up_is_lost_between_a_fast_writer_and_a_reader() -> None:
    count = 20_000
    buffer = FrameBuffer[int](count)

    def write() -> None:
        for item in range(count):
            buffer.put(item)
        buffer.close()

    writer = threading.Thread(target=write)
    writer.start()
    got = await asyncio.wait_for(taken(buffer), 10)
    writer.join()

    assert got == list(range(count))


async def test_what_several_threads_put_is_either_read_or_counted() -> None:
    threads, each = 4, 2000
    buffer = FrameBuffer[int](50)
    reading = asyncio.create_task(taken(buffer))

    def write(start: int) -> None:
        for item in range(start, start + each):
            buffer.put(item)

    await asyncio.gather(*(asyncio.to_thread(write, n * each) for n in range(threads)))
    buffer.close()
    got = await asyncio.wait_for(reading, 10)

    assert len(got) + buffer.dropped == threads * each
    for number in range(threads):
        own = [item for item in got if item // each == number]
        assert own == sorted(own)


def test_putting_and_closing_is_harmless_when_the_loop_is_gone() -> None:
    async def make() -> FrameBuffer[int]:
        return FrameBuffer[int](10)

    buffer = asyncio.run(make())

    buffer.put(1)
    buffer.close()
    assert buffer.dropped == 0


@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.one_of(st.integers(1, 15), st.none()), max_size=60),
)
def test_a_buffer_is_a_queue_of_the_newest_by_weight(limit: int, steps: list[int | None]) -> None:
    """A number is put and weighs itself; ``None`` reads."""

    async def run() -> None:
        buffer = FrameBuffer[int](limit, weigh=lambda item: item)
        model: deque[int] = deque()
        dropped = 0
        items = aiter(buffer)
        for step in steps:
            if step is not None:
                buffer.put(step)
                model.append(step)
                while sum(model) > limit and len(model) > 1:
                    model.popleft()
                    dropped += 1
            elif model:
                assert await first(items) == model.popleft()
        buffer.close()
        assert [item async for item in items] == list(model)
        assert buffer.dropped == dropped

    asyncio.run(run())
