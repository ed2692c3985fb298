"""Who and what is in the room, as the reader of the events was told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from agent.clock import Clock
from agent.room import (
    Participant,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    RemoteTrack,
    RoomEvent,
    TrackFailed,
    TrackInfo,
    TrackMuted,
    TrackPublished,
    TrackSubscribed,
    TrackUnmuted,
    TrackUnpublished,
    TrackUnsubscribed,
)


class OpenTrack(RemoteTrack, Protocol):
    """A remote track that the roster keeps up to date, and ends."""

    participant: Participant
    info: TrackInfo

    def end(self) -> None:
        """End its streams."""
        ...


T = TypeVar("T", bound=OpenTrack)


class Roster(Generic[T]):
    """Makes a consistent story of what the SDK tells twice, late, or not at all.

    Whoever joined leaves exactly once, whatever was published is unpublished, and a
    subscription ends before another of the same track begins; tracks end with it.

    Attributes:
        tracks: Those subscribed, by SID.
    """

    def __init__(self, clock: Clock, tell: Callable[[RoomEvent], None]) -> None:
        self.tracks: dict[str, T] = {}
        self._clock = clock
        self._tell = tell
        self._present: dict[str, Participant] = {}
        self._offered: dict[str, tuple[str, TrackInfo]] = {}

    @property
    def identities(self) -> list[str]:
        """Of those present."""
        return list(self._present)

    @property
    def offered(self) -> list[str]:
        """SIDs of the published tracks."""
        return list(self._offered)

    def joined(self, participant: Participant) -> None:
        """Hear that ``participant`` is present."""
        before = self._present.get(participant.identity)
        if before is not None and before.sid == participant.sid:
            self.changed(participant)
            return
        if before is not None:
            self.left(participant.identity)
        self._present[participant.identity] = participant
        self._tell(ParticipantJoined(self._clock.now(), participant))

    def changed(self, participant: Participant) -> None:
        """Hear what ``participant`` is like now."""
        before = self._present.get(participant.identity)
        if before is None or before == participant:
            return
        self._present[participant.identity] = participant
        for track in self.tracks.values():
            if track.participant.identity == participant.identity:
                track.participant = participant
        self._tell(ParticipantChanged(self._clock.now(), participant))

    def left(self, identity: str, sid: str = "") -> None:
        """Hear that ``identity`` is gone; one that came back with another ``sid`` is not."""
        participant = self._present.get(identity)
        if participant is None or sid not in ("", participant.sid):
            return
        for track_sid, (owner, _) in list(self._offered.items()):
            if owner == identity:
                self.unpublished(track_sid)
        del self._present[identity]
        self._tell(ParticipantLeft(self._clock.now(), participant))

    def published(self, participant: Participant, info: TrackInfo) -> None:
        """Hear that ``participant`` offers a track."""
        if info.sid in self._offered:
            return
        self.joined(participant)
        self._offered[info.sid] = (participant.identity, info)
        self._tell(TrackPublished(self._clock.now(), participant, info))

    def unpublished(self, sid: str) -> None:
        """Hear that a track is no longer offered."""
        self.unsubscribed(sid)
        found = self._offered.pop(sid, None)
        if found is not None:
            owner, info = found
            self._tell(TrackUnpublished(self._clock.now(), self._present[owner], info))

    def subscribed(self, track: T) -> None:
        """Hear that ``track`` can be opened."""
        self.unsubscribed(track.info.sid)
        self.published(track.participant, track.info)
        self.tracks[track.info.sid] = track
        self._tell(TrackSubscribed(self._clock.now(), track))

    def unsubscribed(self, sid: str) -> None:
        """Hear that a track can be opened no longer; end its streams."""
        track = self.tracks.pop(sid, None)
        if track is not None:
            track.end()
            self._tell(TrackUnsubscribed(self._clock.now(), track.participant, track.info))

    def failed(self, sid: str, reason: str) -> None:
        """Hear that a track can't be subscribed."""
        found = self._offered.get(sid)
        if found is not None:
            owner, info = found
            self._tell(TrackFailed(self._clock.now(), self._present[owner], info, reason))

    def muted(self, sid: str, *, muted: bool) -> None:
        """Hear that the publisher stopped sending, or goes on."""
        found = self._offered.get(sid)
        if found is None or found[1].muted == muted:
            return
        owner, info = found
        info = replace(info, muted=muted)
        self._offered[sid] = (owner, info)
        if sid in self.tracks:
            self.tracks[sid].info = info
        event = TrackMuted if muted else TrackUnmuted
        self._tell(event(self._clock.now(), self._present[owner], info))

    def end(self) -> None:
        """End all tracks, without an event: the connection is over."""
        for track in self.tracks.values():
            track.end()
