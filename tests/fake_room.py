"""Rooms that meet in an SFU in memory: what the port promises, with nothing underneath.

The contract suite holds :class:`FakeRoom` to what the real adapters do. What a test wants to
happen it tells the :class:`~tests.fake_sfu.FakeSfu`; what a participant publishes it puts into
a :class:`~tests.fake_track.FakeTrack`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from agent.errors import ServiceError
from agent.media import Codec, Kind
from agent.room import (
    Access,
    AudioOptions,
    Ended,
    EndReason,
    Participant,
    RoomEvent,
    Source,
    TrackInfo,
    VideoOptions,
)
from tests.fake_sfu import FakeSfu, Grant
from tests.fake_track import (
    FakeAudioPublication,
    FakeRemoteTrack,
    FakeTrack,
    FakeVideoPublication,
)

__all__ = ["FakeRoom", "FakeSfu", "FakeTrack", "Grant"]


class FakeRoom:
    """One connection to a room of a :class:`FakeSfu`.

    Attributes:
        tracks: What it publishes.
        remote_tracks: What it is subscribed to, by SID.
        interrupted: Whether its connection is broken just now.
    """

    def __init__(self, sfu: FakeSfu, room: str, *, auto_subscribe: bool = True) -> None:
        self.sfu = sfu
        self.auto_subscribe = auto_subscribe
        self.tracks: list[FakeTrack] = []
        self.remote_tracks: dict[str, FakeRemoteTrack] = {}
        self.interrupted = False
        self.ended = False
        self.participant = Participant("", "")
        self.name = ""
        self.sid = ""
        self._room = room
        self._events: asyncio.Queue[RoomEvent] = asyncio.Queue(maxsize=10_000)

    @property
    def identity(self) -> str:
        return self.participant.identity

    async def connect(self, access: Access, *, timeout_s: float) -> None:
        deadline = self.sfu.clock.now() + timeout_s
        grant = await self.sfu.admit(self._room, access, deadline)
        self.name = self._room
        self.sid = f"RM_{self._room}"
        self.participant = Participant(
            identity=grant.identity,
            sid=self.sfu.sid("PA"),
            name=grant.name,
            attributes=dict(grant.attributes),
            may_update_attributes=grant.may_update_attributes,
            is_recorder=grant.is_recorder,
        )
        self.sfu.enter(self)

    async def events(self) -> AsyncIterator[RoomEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, Ended):
                return

    def subscribe(self, sid: str, *, wanted: bool) -> None:
        if not self.ended:
            self.sfu.subscribe(self, sid, wanted=wanted)

    def start_track(
        self,
        kind: Kind,
        source: Source = Source.UNKNOWN,
        codec: Codec | None = None,
        *,
        name: str = "",
        refusal: str = "",
    ) -> FakeTrack:
        """Publish a track; the test puts the frames. ``refusal``: why nobody can subscribe."""
        info = TrackInfo(self.sfu.sid("TR"), kind, source, name, codec)
        track = FakeTrack(self, info, refusal)
        self.tracks.append(track)
        self.sfu.publish(track)
        return track

    async def publish_video(self, options: VideoOptions) -> FakeVideoPublication:
        self._check_connected()
        return FakeVideoPublication(
            self.start_track(Kind.VIDEO, options.source, options.codec, name=options.name)
        )

    async def publish_audio(self, options: AudioOptions) -> FakeAudioPublication:
        self._check_connected()
        track = self.start_track(Kind.AUDIO, options.source, Codec.OPUS, name=options.name)
        return FakeAudioPublication(track, options)

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        self._check_connected()
        if not self.participant.may_update_attributes:
            raise ServiceError("the token does not allow us to set attributes")
        merged = {**self.participant.attributes, **attributes}
        self.participant = replace(self.participant, attributes=merged)
        self.sfu.change(self)

    async def disconnect(self) -> None:
        self.sfu.end(self, EndReason.LEFT)

    # What the SFU does to it

    def tell(self, event: RoomEvent) -> None:
        if not self.ended:
            self._events.put_nowait(event)

    def finish(self, reason: EndReason) -> None:
        for remote in self.remote_tracks.values():
            remote.end()
        self.tell(Ended(self.sfu.clock.now(), reason))
        self.ended = True

    def renew(self, sid: str, track_sids: list[str]) -> None:
        self.participant = replace(self.participant, sid=sid)
        for track, track_sid in zip(self.tracks, track_sids, strict=True):
            track.info = replace(track.info, sid=track_sid)

    def _check_connected(self) -> None:
        if self.ended or not self.name:
            raise ServiceError("the connection to the room has ended")
