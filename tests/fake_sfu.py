"""An SFU in memory: who is in which room, and what can happen to them."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.clock import Clock
from agent.errors import AgentError, JoinError
from agent.media import Frame
from agent.room import (
    Access,
    EndReason,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    Reconnected,
    Reconnecting,
    TrackFailed,
    TrackMuted,
    TrackPublished,
    TrackSubscribed,
    TrackUnmuted,
    TrackUnpublished,
    TrackUnsubscribed,
)
from tests.fake_track import FakeRemoteTrack, FakeTrack

if TYPE_CHECKING:
    from tests.fake_room import FakeRoom


@dataclass(frozen=True)
class Grant:
    """What a token of the fake SFU says."""

    identity: str
    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    may_update_attributes: bool = True
    is_recorder: bool = False


class FakeSfu:
    """Rooms in memory, and what can happen to those in them.

    Attributes:
        joins: Attempts to join so far, refused ones included.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.joins = 0
        self._grants: dict[str, Grant] = {}
        self._members: dict[tuple[str, str], FakeRoom] = {}
        self._numbers = itertools.count(1)
        self._refusal: AgentError | None = None
        self._refusals_left = 0
        self._gate = asyncio.Event()
        self._gate.set()

    # What a test arranges

    def access(self, grant: Grant) -> Access:
        """Return a token for ``grant``. Without one, ``identity:ann`` is a token too."""
        token = f"fake-{next(self._numbers)}"
        self._grants[token] = grant
        return Access("ws://fake", token)

    def refuse_joins(self, error: AgentError, *, times: int = 1_000_000) -> None:
        """Answer the next attempts with ``error``."""
        self._refusal = error
        self._refusals_left = times

    def accept_joins(self) -> None:
        """Refuse nobody from here on, and answer those who wait."""
        self._refusals_left = 0
        self._gate.set()

    def hold_joins(self) -> None:
        """Leave attempts to join unanswered until :meth:`accept_joins`."""
        self._gate.clear()

    def drop_connections(self, reason: EndReason, *, room: str | None = None) -> None:
        """End every connection (to ``room``), as a server does that goes down."""
        for member in list(self._members.values()):
            if room is None or member.name == room:
                self.end(member, reason)

    def end(self, member: "FakeRoom", reason: EndReason) -> None:
        """End one connection: a kick is ``EndReason.REMOVED``. The others see it leave."""
        if self._members.get((member.name, member.identity)) is member:
            del self._members[member.name, member.identity]
            for other in self.others(member):
                self._withdraw(member, other)
        member.finish(reason)

    def interrupt(self, member: "FakeRoom") -> None:
        """Break its connection; nothing arrives until :meth:`resume`."""
        member.interrupted = True
        member.tell(Reconnecting(self.clock.now()))

    def resume(self, member: "FakeRoom") -> None:
        """Mend its connection; all its tracks stay what they were."""
        member.interrupted = False
        member.tell(Reconnected(self.clock.now()))

    def reconnect_fully(self, member: "FakeRoom") -> None:
        """Break its connection and mend it with a new session: all SIDs are new ones."""
        others = self.others(member)
        member.tell(Reconnecting(self.clock.now()))
        for other in others:
            self._withdraw(member, other)
            self._withdraw(other, member)
        member.renew(self.sid("PA"), [self.sid("TR") for _ in member.tracks])
        member.interrupted = False
        for other in others:
            self._announce(other, member)
            self._announce(member, other)
        member.tell(Reconnected(self.clock.now()))

    def member(self, room: str, identity: str) -> "FakeRoom":
        """Return the connection of ``identity``."""
        return self._members[room, identity]

    def present(self, room: str) -> set[str]:
        """Return the identities of who is in ``room``."""
        return {identity for name, identity in self._members if name == room}

    # What the rooms ask

    def sid(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):06}"

    def others(self, member: "FakeRoom") -> list["FakeRoom"]:
        return [
            other
            for (room, _), other in self._members.items()
            if room == member.name and other is not member
        ]

    async def admit(self, room: str, access: Access, deadline: float) -> Grant:
        """Return what the token grants, or raise what the server answers."""
        self.joins += 1
        await self._answer(room, access, deadline)
        if self._refusals_left and self._refusal is not None:
            self._refusals_left -= 1
            raise self._refusal
        grant = self._grants.get(access.token)
        if grant is None and access.token.startswith("identity:"):
            grant = Grant(access.token.removeprefix("identity:"))
        if grant is None:
            reason = "the server refused the token; get another one"
            raise JoinError(room, access.url, reason, retry=False)
        return grant

    async def _answer(self, room: str, access: Access, deadline: float) -> None:
        if self._gate.is_set():
            return
        opened = asyncio.ensure_future(self._gate.wait())
        late = asyncio.ensure_future(self.clock.sleep_until(deadline))
        try:
            await asyncio.wait((opened, late), return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():
                raise JoinError(room, access.url, "the server did not answer in time")
        finally:
            opened.cancel()
            late.cancel()

    def enter(self, member: "FakeRoom") -> None:
        """Let ``member`` in; of two with one identity the later one stays."""
        before = self._members.get((member.name, member.identity))
        if before is not None:
            self.end(before, EndReason.DUPLICATE_IDENTITY)
        self._members[member.name, member.identity] = member
        for other in self.others(member):
            self._announce(other, member)
            self._announce(member, other)

    def publish(self, track: FakeTrack) -> None:
        for other in self.others(track.publisher):
            self._offer(track, other)

    def unpublish(self, track: FakeTrack) -> None:
        for other in self.others(track.publisher):
            self._take_back(track, other)

    def change(self, member: "FakeRoom") -> None:
        for other in self.others(member):
            other.tell(ParticipantChanged(self.clock.now(), member.participant))

    def change_mute(self, track: FakeTrack) -> None:
        kind = TrackMuted if track.info.muted else TrackUnmuted
        for other in self.others(track.publisher):
            other.tell(kind(self.clock.now(), track.publisher.participant, track.info))

    def deliver(self, track: FakeTrack, frame: Frame) -> None:
        if track.publisher.interrupted:
            return
        for other in self.others(track.publisher):
            remote = other.remote_tracks.get(track.info.sid)
            if remote is not None and not other.interrupted:
                remote.deliver(frame)

    def subscribe(self, viewer: "FakeRoom", sid: str, *, wanted: bool) -> None:
        for member in self.others(viewer):
            for track in member.tracks:
                if track.info.sid == sid and not track.refusal:
                    self._give(track, viewer) if wanted else self._take(track, viewer)

    def _announce(self, member: "FakeRoom", to: "FakeRoom") -> None:
        to.tell(ParticipantJoined(self.clock.now(), member.participant))
        for track in member.tracks:
            self._offer(track, to)

    def _withdraw(self, member: "FakeRoom", viewer: "FakeRoom") -> None:
        for track in member.tracks:
            self._take_back(track, viewer)
        viewer.tell(ParticipantLeft(self.clock.now(), member.participant))

    def _offer(self, track: FakeTrack, to: "FakeRoom") -> None:
        now = self.clock.now()
        participant = track.publisher.participant
        to.tell(TrackPublished(now, participant, track.info))
        if track.refusal:
            to.tell(TrackFailed(now, participant, track.info, track.refusal))
        elif to.auto_subscribe:
            self._give(track, to)

    def _give(self, track: FakeTrack, viewer: "FakeRoom") -> None:
        if track.info.sid not in viewer.remote_tracks:
            remote = viewer.remote_tracks[track.info.sid] = FakeRemoteTrack(track)
            viewer.tell(TrackSubscribed(self.clock.now(), remote))

    def _take(self, track: FakeTrack, viewer: "FakeRoom") -> None:
        remote = viewer.remote_tracks.pop(track.info.sid, None)
        if remote is not None:
            remote.end()
            participant = track.publisher.participant
            viewer.tell(TrackUnsubscribed(self.clock.now(), participant, track.info))

    def _take_back(self, track: FakeTrack, viewer: "FakeRoom") -> None:
        self._take(track, viewer)
        viewer.tell(TrackUnpublished(self.clock.now(), track.publisher.participant, track.info))
