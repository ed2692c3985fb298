"""A room as the LiveKit SDK has it, behind the port."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from livekit import rtc

from agent.clock import Clock, LoopClock
from agent.errors import ServiceError
from agent.room import (
    Access,
    AudioOptions,
    Ended,
    EndReason,
    Reconnected,
    RoomEvent,
    TrackUnpublished,
    VideoOptions,
)
from agent.rtc import publishing, translation
from agent.rtc.inbox import Inbox
from agent.rtc.joining import LEAVE_TIMEOUT_S, Joining, leave, protect_tokens
from agent.rtc.listener import Listener
from agent.rtc.media_loop import MediaLoop, shared_media_loop
from agent.rtc.publishing import LocalTrack, RtcAudioPublication, RtcVideoPublication

log = logging.getLogger(__name__)

ATTEMPT_TIMEOUT_S = 5.0
"""How long one attempt of the SDK to reach the server may take; it makes four."""

ANSWER_TIMEOUT_S = 5.0


class RtcRoom:
    """One connection to one room of a LiveKit server, with decoded frames."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        auto_subscribe: bool = True,
        dynacast: bool = False,
        media_loop: MediaLoop | None = None,
    ) -> None:
        """Make one; needs a running event loop.

        Args:
            clock: What events and frames are timed by; must read the machine's monotonic clock.
            auto_subscribe: Whether to receive every track that is published.
            dynacast: Whether to stop sending layers that nobody watches.
            media_loop: Where streams run; the one of this process if not given.
        """
        protect_tokens()
        self._clock = LoopClock() if clock is None else clock
        self._options = rtc.RoomOptions(
            auto_subscribe=auto_subscribe, dynacast=dynacast, connect_timeout=ATTEMPT_TIMEOUT_S
        )
        self._sdk = rtc.Room()
        self._inbox = Inbox(on_overflow=self._overflow)
        self._listener = Listener(
            self._sdk,
            self._clock,
            shared_media_loop() if media_loop is None else media_loop,
            self._tell,
            self._disconnected,
        )
        self._joining = Joining(self._sdk, self._joined)
        self._identity = ""
        self._sid = ""
        self._wanted: set[str] = set()
        self._local: list[LocalTrack] = []
        self._leaving: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Its name; empty before :meth:`connect`."""
        return self._sdk.name

    @property
    def sid(self) -> str:
        """The server's name of it, empty while unknown."""
        if not self._sid:
            self._sid = translation.room_sid(self._sdk)
        return self._sid

    @property
    def identity(self) -> str:
        """Ours; empty before :meth:`connect`."""
        return self._identity

    async def connect(self, access: Access, *, timeout_s: float) -> None:
        """Join. If cancelled or too late, what was begun is undone in the background.

        Raises:
            JoinError: If that fails.
        """
        await self._joining.join(access, self._options, timeout_s)

    def events(self) -> AsyncIterator[RoomEvent]:
        """Yield what happens, from who is there already to ``Ended``; one reader."""
        return self._inbox.__aiter__()

    def subscribe(self, sid: str, *, wanted: bool) -> None:
        """Receive a track, or no longer; what comes of it, the events tell."""
        if wanted:
            self._wanted.add(sid)
        else:
            self._wanted.discard(sid)
        for participant in self._sdk.remote_participants.values():
            publication = participant.track_publications.get(sid)
            if publication is not None and publication.subscribed != wanted:
                publication.set_subscribed(wanted)

    async def publish_video(self, options: VideoOptions) -> RtcVideoPublication:
        """Offer a video track.

        Raises:
            UnsupportedError: If the SDK can't encode that codec.
            ServiceError: If the server refuses or doesn't answer.
        """
        publication = await publishing.publish_video(self._publisher(), options, self._clock)
        self._keep(publication.local)
        return publication

    async def publish_audio(self, options: AudioOptions) -> RtcAudioPublication:
        """Offer an audio track.

        Raises:
            ServiceError: If the server refuses or doesn't answer.
        """
        publication = await publishing.publish_audio(self._publisher(), options, self._clock)
        self._keep(publication.local)
        return publication

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Set our own attributes; the others stay.

        Raises:
            ServiceError: If our grants forbid it or the server doesn't answer.
        """
        me = self._publisher()
        if not me.permissions.can_update_metadata:
            message = f"the token does not allow {self._identity!r} to set its own attributes"
            raise ServiceError(message)  # the SDK would report success
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await me.set_attributes(dict(attributes))
                while not _has(me, attributes):
                    self._listener.attributes_changed.clear()
                    await self._listener.attributes_changed.wait()
        except TimeoutError:
            if not _has(me, attributes):
                message = "the server did not take our attributes; they may be too large"
                raise ServiceError(message) from None

    async def disconnect(self) -> None:
        """Leave: open streams end, then :meth:`events`. Idempotent; goes on if cancelled."""
        await asyncio.shield(self._leave_once(EndReason.LEFT))

    def _tell(self, event: RoomEvent) -> None:
        if isinstance(event, TrackUnpublished):
            self._wanted.discard(event.track.sid)
        elif isinstance(event, Reconnected):
            # The SDK tells of tracks before it can ask for them: what was asked for is lost.
            for sid in list(self._wanted):
                self.subscribe(sid, wanted=True)
        self._inbox.put(event)

    def _joined(self) -> None:
        self._identity = self._sdk.local_participant.identity
        self._listener.look()

    def _publisher(self) -> rtc.LocalParticipant:
        if self._inbox.ended or self._leaving is not None or not self._identity:
            raise ServiceError("not connected to the room, or not any more")
        return self._sdk.local_participant

    def _keep(self, local: LocalTrack) -> None:
        self._local = [kept for kept in self._local if not kept.closed]
        self._local.append(local)
        if self._inbox.ended:
            local.end()

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        asked = self._leaving is not None
        self._end(translation.end_reason(reason, asked=asked))

    def _end(self, reason: EndReason) -> None:
        self._listener.roster.end()
        for local in self._local:
            local.end()
        self._inbox.put(Ended(self._clock.now(), reason))

    def _overflow(self) -> None:
        log.error("events of room %s are not being read; leaving it", self.name)
        self._leave_once(EndReason.CONNECTION_LOST)

    def _leave_once(self, reason: EndReason) -> asyncio.Task[None]:
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(reason), name="rtc-leave")
        return self._leaving

    async def _leave(self, reason: EndReason) -> None:
        await self._joining.undone(LEAVE_TIMEOUT_S)
        # Published tracks first: a native thread stays behind for each that the end surprises.
        await asyncio.gather(*(local.aclose() for local in self._local))
        tracks = list(self._listener.roster.tracks.values())
        await asyncio.gather(*(track.aclose() for track in tracks))
        self._end(reason)
        await leave(self._sdk)


def _has(participant: rtc.Participant, attributes: Mapping[str, str]) -> bool:
    present = participant.attributes
    return all(present.get(key, "") == value for key, value in attributes.items())
