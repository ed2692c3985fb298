"""A recording that is being made in this process, of a room on a real SFU."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from agent.clock import LoopClock
from agent.dev.sfu import Sfu
from agent.identity import AccessSource, ApiKey
from agent.recording.job import RecordingResult, record_room
from agent.recording.recorder import Progress, RecordingOptions
from agent.recording.recovery import Rescue
from agent.rtc.room import RtcRoom
from tests.e2e.recorded import Recorded


class Take:
    """A recording while it is made and afterwards.

    Attributes:
        folder: Where it goes.
        began: When the recorder had joined, on the event loop's clock.
        ended: When it was told to stop, or stopped by itself.
        progress: As last told.
        rooms: The recorder's connections, the last one in use.
        stop: Set to end it.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self.began = self.ended = 0.0
        self.progress: Progress | None = None
        self.rooms: list[RtcRoom] = []
        self.stop = asyncio.Event()
        self._clock = LoopClock()
        self._started = asyncio.Event()
        self._result: RecordingResult | None = None

    @property
    def result(self) -> RecordingResult:
        """What came of it."""
        assert self._result is not None, "it is not finished yet"
        return self._result

    @property
    def gaps(self) -> int:
        """How many there are so far, in all tracks."""
        return self.progress.gaps if self.progress else 0

    def recorded(self) -> Recorded:
        """Return what there is now that it is finished."""
        return Recorded(self.result.folder)

    def started(self, folder: Path) -> None:
        self.folder = folder
        self.began = self._clock.now()
        self._started.set()

    def progressed(self, progress: Progress) -> None:
        self.progress = progress

    def finishing(self) -> None:
        self.ended = self.ended or self._clock.now()

    def rescued(self, rescue: Rescue) -> None:
        message = f"nothing was to be rescued here, but {rescue.folder} was"
        raise AssertionError(message)

    def end(self) -> None:
        """Stop. Idempotent."""
        self.ended = self.ended or self._clock.now()
        self.stop.set()

    async def run(
        self,
        accesses: Callable[[str], AccessSource],
        room: str,
        out: Path,
        options: RecordingOptions | None = None,
    ) -> None:
        """Record to the end."""
        self._result = await record_room(
            self._new_room,
            accesses,
            room,
            out,
            options or RecordingOptions(until_empty_s=None),
            stop=self.stop,
            watcher=self,
        )

    async def under_way(self) -> None:
        """Wait until it has begun."""
        await self._started.wait()

    def _new_room(self) -> RtcRoom:
        self.rooms.append(RtcRoom(auto_subscribe=False))
        return self.rooms[-1]


@asynccontextmanager
async def recording(
    sfu: Sfu,
    room: str,
    out: Path,
    options: RecordingOptions | None = None,
    *,
    accesses: Callable[[str], AccessSource] | None = None,
) -> AsyncGenerator[Take]:
    """Record ``room`` for as long as the block takes; it is finished after the block."""

    def keyed(identity: str) -> AccessSource:
        return ApiKey(sfu.url, room, identity, sfu.api_key, sfu.api_secret)

    take = Take()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(take.run(accesses or keyed, room, out, options), name="record")
        await take.under_way()
        yield take
        take.end()
