from agent.room import Ended, EndReason, Reconnected, Reconnecting
from agent.rtc.inbox import Inbox


def ignore() -> None:
    return


async def test_events_come_in_order_up_to_the_end() -> None:
    inbox = Inbox(on_overflow=ignore)
    told = [Reconnecting(1.0), Reconnected(2.0), Ended(3.0, EndReason.LEFT)]
    for event in told:
        inbox.put(event)
    inbox.put(Reconnecting(4.0))

    assert [event async for event in inbox] == told
    assert inbox.ended


async def test_it_ends_once_only() -> None:
    inbox = Inbox(on_overflow=ignore)
    inbox.put(Ended(1.0, EndReason.REMOVED))
    inbox.put(Ended(2.0, EndReason.LEFT))

    assert [event async for event in inbox] == [Ended(1.0, EndReason.REMOVED)]


async def test_one_event_too_many_is_told_once_and_the_end_still_fits() -> None:
    overflows: list[None] = []
    inbox = Inbox(on_overflow=lambda: overflows.append(None), limit=3)
    for number in range(6):
        inbox.put(Reconnecting(float(number)))
    inbox.put(Ended(9.0, EndReason.CONNECTION_LOST))

    assert len(overflows) == 1
    assert [event.at async for event in inbox] == [0.0, 1.0, 2.0, 9.0]
