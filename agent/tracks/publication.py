"""Publishing pictures and sound that belong together."""

import asyncio
from collections.abc import AsyncIterable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from agent.clock import Clock
from agent.media import AudioFrame, VideoFrame
from agent.room import AudioPublication, Publication, VideoPublication
from agent.tracks.pacing import Lateness, paced

MAX_PICTURE_LATENESS_S = 0.1
"""A picture that is later is skipped: nobody misses it, and the next one is waiting."""

MAX_SOUND_LATENESS_S = 0.06
SOUND_CATCH_UP_S = 0.02
"""Sound that is later is left out, up to the first that is in time again: what nobody sent was
played as silence meanwhile, and sending it afterwards would delay all that follows."""

FrameT = TypeVar("FrameT", AudioFrame, VideoFrame)


class Sent(Generic[FrameT]):
    """One track on its way, and what has become of its frames so far.

    Attributes:
        frames: Number that were sent.
        skipped: Number that were too late, and were not.
        lateness: How late those that were sent left.
        position_s: Media time of the last that was sent.
    """

    def __init__(
        self,
        source: AsyncIterable[FrameT],
        publication: Publication[FrameT],
        *,
        max_lateness_s: float,
        catch_up_s: float,
    ) -> None:
        self.frames = 0
        self.skipped = 0
        self.lateness = Lateness()
        self.position_s = 0.0
        self._source: AsyncIterable[FrameT] = source
        self._publication: Publication[FrameT] = publication
        self._max_lateness_s = max_lateness_s
        self._catch_up_s = catch_up_s
        self._sending = False
        self._interrupted = False

    async def run(self, clock: Clock, epoch: float) -> None:
        """Send each frame in its time, to the source's end or until interrupted."""
        on_time = paced(
            self._source,
            clock,
            epoch=epoch,
            max_lateness=self._max_lateness_s,
            catch_up=self._catch_up_s,
            on_late=self._skip,
            lateness=self.lateness,
        )
        async with aclosing(on_time):
            async for frame in on_time:
                self._sending = True
                await self._publication.send(frame)
                self._sending = False
                self.frames += 1
                self.position_s = float(frame.time)
                if self._interrupted:
                    return

    def interrupt(self, running: asyncio.Task[None]) -> None:
        """End ``running``, the task of :meth:`run`; a frame that is being sent goes out whole."""
        self._interrupted = True
        if not self._sending:
            running.cancel()

    def _skip(self, _frame: FrameT) -> None:
        self.skipped += 1


class Playback:
    """Pictures, sound, or both, sent on one clock from one epoch, and so in step.

    Attributes:
        video: What has become of the pictures; ``None`` if there are none.
        audio: Likewise, of the sound.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        video: tuple[AsyncIterable[VideoFrame], VideoPublication] | None = None,
        audio: tuple[AsyncIterable[AudioFrame], AudioPublication] | None = None,
    ) -> None:
        """Send each source to its publication.

        Args:
            clock: What to pace them by.
            video: Pictures, and where to.
            audio: Sound, and where to.
        """
        self._clock = clock
        self._stop = asyncio.Event()
        self.video = video and Sent(
            *video, max_lateness_s=MAX_PICTURE_LATENESS_S, catch_up_s=MAX_PICTURE_LATENESS_S
        )
        self.audio = audio and Sent(
            *audio,
            max_lateness_s=MAX_SOUND_LATENESS_S,
            catch_up_s=SOUND_CATCH_UP_S,
        )

    async def run(self, epoch: float) -> None:
        """Send until both sources have ended or :meth:`stop` is called.

        After a stall, of the process or a source, playing goes on where it would be without
        one; what should have left meanwhile is skipped and counted, in both tracks alike.

        Args:
            epoch: The clock's reading, in seconds, at media time 0.

        Raises:
            ExceptionGroup: With what a source or a publication raised; the other is cancelled.
        """
        async with asyncio.TaskGroup() as tasks:
            sending = {
                tasks.create_task(track.run(self._clock, epoch), name="send"): track
                for track in (self.video, self.audio)
                if track is not None
            }
            stopping = tasks.create_task(self._interrupt(sending), name="stop")
            if sending:
                await asyncio.wait(sending)
            stopping.cancel()

    async def _interrupt(self, sending: Mapping[asyncio.Task[None], "Sent[Any]"]) -> None:
        await self._stop.wait()
        for task, track in sending.items():
            track.interrupt(task)

    def stop(self) -> None:
        """Make :meth:`run` return, at once but for a frame that is being sent. Idempotent."""
        self._stop.set()
