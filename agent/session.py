"""One participant's stay in one room, over any number of connections.

A connection ends for many reasons; a stay ends when its owner leaves, when somebody wants it
to end (removed, replaced by the same identity), or when nobody has let it in again for long.
In between, the session joins again with a new token, publishes again what was published, and
tells its reader of a gap.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.clock import Clock, LoopClock
from agent.errors import AccessError, JoinError, ServiceError
from agent.identity import AccessSource
from agent.media import AudioFrame, VideoFrame
from agent.room import (
    AudioOptions,
    AudioPublication,
    Ended,
    EndReason,
    Participant,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    Publication,
    Reconnected,
    Reconnecting,
    Room,
    RoomEvent,
    VideoOptions,
    VideoPublication,
)

logger = logging.getLogger(__name__)

EVENTS_WAITING = 1000
"""Events a slow reader may leave waiting before the connection is made to wait too."""

FIRST_DELAY_S = 0.3
LONGEST_DELAY_S = 5.0

GRACE_S = 5.0
"""How long a left room may take to tell its end."""

FrameT = TypeVar("FrameT")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Attributes:
        connect_s: For one attempt to join.
        rejoin_s: From the loss of a connection to giving the stay up.
    """

    connect_s: float = 15.0
    rejoin_s: float = 600.0


@asynccontextmanager
async def joined(
    new_room: Callable[[], Room],
    accesses: AccessSource,
    *,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> AsyncGenerator["Session"]:
    """Join, and leave on exit, whatever the exit.

    Args:
        new_room: Makes a connection that is not joined yet; called for every attempt.
        accesses: Asked for every attempt.
        clock: That of the events and received frames.
        patience: How long to try.

    Raises:
        JoinError: If the first attempt to join fails.
        AccessError: If there is no token for it.
        ExceptionGroup: With what the body raised.
    """
    session = Session(new_room, accesses, clock or LoopClock(), patience or Patience())
    room = await session._join()  # noqa: SLF001 - a session is this function's other half
    try:
        async with asyncio.TaskGroup() as tasks:
            staying = tasks.create_task(session._stay(room), name="stay")  # noqa: SLF001
            yield session
            await session._leave(staying)  # noqa: SLF001
    finally:
        await session._disconnect()  # noqa: SLF001
        session._end(Ended(session._clock.now(), EndReason.LEFT))  # noqa: SLF001


class Session:
    """The stay itself; :func:`joined` makes one.

    Its :meth:`events` must be read for as long as it lasts.
    """

    def __init__(
        self,
        new_room: Callable[[], Room],
        accesses: AccessSource,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._new_room = new_room
        self._accesses = accesses
        self._clock = clock
        self._patience = patience
        self._room: Room | None = None
        self._inbox: asyncio.Queue[RoomEvent] = asyncio.Queue(EVENTS_WAITING)
        self._present: dict[str, Participant] = {}
        self._tracks: list[Durable] = []
        self._rejoining = False
        self._leaving = False
        self._has_ended = False
        self._attributes: dict[str, str] = {}
        self.room_name = ""
        self.identity = ""

    @property
    def room_sid(self) -> str:
        """The server's name of the room as of now; empty while unknown or not connected."""
        return self._room.sid if self._room else ""

    async def events(self) -> AsyncIterator[RoomEvent]:
        """Yield what happens, to the one :class:`~agent.room.Ended`; for one reader.

        After the loss of a connection come :class:`~agent.room.Reconnecting` with a reason, a
        :class:`~agent.room.ParticipantLeft` for everyone, and, if joining again succeeds,
        :class:`~agent.room.Reconnected` and everyone who is there.
        """
        while True:
            event = await self._inbox.get()
            yield event
            if isinstance(event, Ended):
                return

    def subscribe(self, sid: str, *, wanted: bool) -> None:
        """Receive a track of the present connection, or no longer; see :class:`Room`."""
        if self._room:
            self._room.subscribe(sid, wanted=wanted)

    async def publish_video(self, options: VideoOptions) -> VideoPublication:
        """Publish a track that lasts as long as the stay, over all its connections.

        Raises:
            ServiceError: If the server refuses.
        """
        video = DurablePublication[VideoFrame](lambda room: room.publish_video(options))
        await self._add(video)
        return video

    async def publish_audio(self, options: AudioOptions) -> AudioPublication:
        """Publish a track that lasts as long as the stay, over all its connections.

        Raises:
            ServiceError: If the server refuses.
        """
        audio = DurablePublication[AudioFrame](lambda room: room.publish_audio(options))
        await self._add(audio)
        return audio

    async def _add(self, track: "Durable") -> None:
        if self._room:
            await track.attach(self._room)
        self._tracks.append(track)

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Set our own attributes, again after each joining.

        Raises:
            ServiceError: If our grants forbid it.
        """
        self._attributes.update(attributes)
        if self._room:
            await self._room.set_attributes(attributes)

    async def _join(self) -> Room:
        access = await self._accesses.access()
        room = self._new_room()
        try:
            await room.connect(access, timeout_s=self._patience.connect_s)
        except BaseException:
            await room.disconnect()  # a cancelled join may still succeed
            raise
        self._room = room
        self.room_name = room.name
        self.identity = room.identity
        return room

    async def _stay(self, room: Room) -> None:
        while True:
            ended = await self._forward(room)
            for track in self._tracks:
                track.detach()
            if ended.reason.is_final or self._leaving:
                break
            self._rejoining = True
            logger.warning("lost room %r (%s), joining again", self.room_name, ended.reason)
            await self._inbox.put(Reconnecting(ended.at, ended.reason))
            await self._forget_everyone()
            await self._disconnect()
            again = await self._rejoin()
            if again is None:
                ended = Ended(self._clock.now(), ended.reason)
                break
            room = again
            self._rejoining = False
        self._end(ended)

    async def _forward(self, room: Room) -> Ended:
        async for event in room.events():
            match event:
                case Ended():
                    return event
                case ParticipantJoined() | ParticipantChanged():
                    self._present[event.participant.identity] = event.participant
                case ParticipantLeft():
                    self._present.pop(event.participant.identity, None)
                case _:
                    pass
            await self._inbox.put(event)
        return Ended(self._clock.now(), EndReason.CONNECTION_LOST)

    async def _forget_everyone(self) -> None:
        now = self._clock.now()
        for participant in self._present.values():
            await self._inbox.put(ParticipantLeft(now, participant))
        self._present.clear()

    async def _rejoin(self) -> Room | None:
        """Return the new connection; ``None`` if refused, or not let in for too long."""
        give_up = self._clock.now() + self._patience.rejoin_s
        delay = FIRST_DELAY_S
        while self._clock.now() < give_up:
            # Half of it at random: everyone who lost the server would come back at once.
            await self._clock.sleep_until(self._clock.now() + delay * random.uniform(0.5, 1.0))  # noqa: S311
            delay = min(delay * 2, LONGEST_DELAY_S)
            try:
                room = await self._join()
                await self._restore(room)
            except (JoinError, AccessError) as error:
                logger.warning("%s", error)
                if not error.retry:
                    return None
            except ServiceError as error:
                logger.warning("%s", error)
                for track in self._tracks:
                    track.detach()
                await self._disconnect()
            else:
                await self._inbox.put(Reconnected(self._clock.now()))
                return room
        return None

    async def _restore(self, room: Room) -> None:
        """Publish and set again what the last connection had."""
        tracks = list(self._tracks)  # what is published from here on attaches itself
        if self._attributes:
            try:
                await room.set_attributes(self._attributes)
            except ServiceError as error:  # no reason to stay outside
                logger.warning("joined again without our attributes: %s", error)
        for track in tracks:
            await track.attach(room)

    async def _leave(self, staying: asyncio.Task[None]) -> None:
        self._leaving = True
        if not self._rejoining:
            await self._disconnect()
            if not self._inbox.full():  # else nobody reads: there is nothing to wait for
                await asyncio.wait([staying], timeout=GRACE_S)
        staying.cancel()  # does nothing if it has finished

    def _end(self, ended: Ended) -> None:
        """Let the reader see the end, unless it has ended already."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._inbox.full():  # nobody reads; who comes late must still find the end
            self._inbox.get_nowait()
        self._inbox.put_nowait(ended)

    async def _disconnect(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            await room.disconnect()


class DurablePublication(Generic[FrameT]):
    """A publication that outlives the connection it was made on."""

    def __init__(self, publish: Callable[[Room], Awaitable[Publication[FrameT]]]) -> None:
        self._publish = publish
        self._now: Publication[FrameT] | None = None
        self._muted = False
        self._closed = False

    @property
    def sid(self) -> str:
        """Empty while not connected."""
        return self._now.sid if self._now else ""

    async def attach(self, room: Room) -> None:
        """Publish on ``room``, unless closed."""
        if self._closed:
            return
        now = await self._publish(room)
        if self._closed:  # meanwhile
            await now.aclose()
            return
        self._now = now
        if self._muted:
            await now.set_muted(muted=True)

    def detach(self) -> None:
        """Forget a connection that has ended."""
        self._now = None

    async def send(self, frame: FrameT) -> None:
        """Send ``frame``; nobody gets it while not connected."""
        if self._now:
            await self._now.send(frame)

    async def set_muted(self, *, muted: bool) -> None:
        """Stop or go on sending, now and after each joining."""
        self._muted = muted
        if self._now:
            await self._now.set_muted(muted=muted)

    async def aclose(self) -> None:
        """Unpublish for good. Idempotent."""
        self._closed = True
        now, self._now = self._now, None
        if now:
            await now.aclose()


Durable = DurablePublication[VideoFrame] | DurablePublication[AudioFrame]
