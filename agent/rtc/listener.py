"""What the SDK calls back, turned into the events of the port."""

import asyncio
from collections.abc import Callable

from livekit import rtc

from agent.clock import Clock
from agent.room import Reconnected, Reconnecting, RoomEvent, Source
from agent.rtc import translation
from agent.rtc.media_loop import MediaLoop
from agent.rtc.roster import Roster
from agent.rtc.streams import RtcRemoteTrack

_SOUND = {Source.CAMERA: Source.MICROPHONE, Source.SCREEN_SHARE: Source.SCREEN_SHARE_AUDIO}


class Listener:
    """Hears an SDK room and keeps its roster.

    The SDK swallows what a callback raises and doesn't await; so they only take notes.

    Attributes:
        roster: Who and what is in the room.
        attributes_changed: Set whenever somebody's did, ours included.
    """

    def __init__(
        self,
        sdk: rtc.Room,
        clock: Clock,
        media_loop: MediaLoop,
        tell: Callable[[RoomEvent], None],
        on_ended: Callable[[rtc.DisconnectReason.ValueType], None],
    ) -> None:
        self.roster: Roster[RtcRemoteTrack] = Roster(clock, tell)
        self.attributes_changed = asyncio.Event()
        self._sdk = sdk
        self._clock = clock
        self._media_loop = media_loop
        self._tell = tell
        sdk.on("participant_connected", self._participant_connected)
        sdk.on("participant_disconnected", self._participant_disconnected)
        sdk.on("participant_name_changed", self._participant_changed)
        sdk.on("participant_attributes_changed", self._attributes_changed)
        sdk.on("participant_permissions_changed", self._participant_changed)
        sdk.on("track_published", self._track_published)
        sdk.on("track_unpublished", self._track_unpublished)
        sdk.on("track_subscribed", self._track_subscribed)
        sdk.on("track_unsubscribed", self._track_unsubscribed)
        sdk.on("track_subscription_failed", self._subscription_failed)
        sdk.on("track_muted", self._track_muted)
        sdk.on("track_unmuted", self._track_unmuted)
        sdk.on("reconnecting", self._reconnecting)
        sdk.on("reconnected", self._reconnected)
        sdk.on("disconnected", on_ended)

    def look(self) -> None:
        """Compare the roster with what the SDK has now, and make up for what wasn't told.

        The SDK tells nothing of those who were there before us, and after a full reconnect may
        have other tracks than it told of.
        """
        present = self._sdk.remote_participants
        for identity in self.roster.identities:
            if identity not in present:
                self.roster.left(identity)
        for sdk in present.values():
            self.roster.joined(translation.participant(sdk))
        found = {
            publication.sid: (publication, sdk)
            for sdk in present.values()
            for publication in sdk.track_publications.values()
        }
        for sid in self.roster.offered:
            if sid not in found:
                self.roster.unpublished(sid)
        for sid, (publication, sdk) in found.items():
            self.roster.published(translation.participant(sdk), translation.track_info(publication))
            known = self.roster.tracks.get(sid)
            if known is not None and publication.track is not known.sdk:
                self.roster.unsubscribed(sid)
            if publication.track is not None and sid not in self.roster.tracks:
                self._track_subscribed(publication.track, publication, sdk)

    def _participant_connected(self, sdk: rtc.RemoteParticipant) -> None:
        self.roster.joined(translation.participant(sdk))

    def _participant_disconnected(self, sdk: rtc.RemoteParticipant) -> None:
        self.roster.left(sdk.identity, sdk.sid)

    def _participant_changed(self, sdk: rtc.Participant) -> None:
        self.roster.changed(translation.participant(sdk))

    def _attributes_changed(self, _changed: dict[str, str], sdk: rtc.Participant) -> None:
        self.roster.changed(translation.participant(sdk))
        self.attributes_changed.set()

    def _track_published(
        self, publication: rtc.RemoteTrackPublication, sdk: rtc.RemoteParticipant
    ) -> None:
        self.roster.published(translation.participant(sdk), translation.track_info(publication))

    def _track_unpublished(self, publication: rtc.RemoteTrackPublication) -> None:
        self.roster.unpublished(publication.sid)

    def _track_subscribed(
        self,
        track: rtc.RemoteTrack,
        publication: rtc.RemoteTrackPublication,
        sdk: rtc.RemoteParticipant,
    ) -> None:
        remote = RtcRemoteTrack(
            track,
            translation.participant(sdk),
            translation.track_info(publication),
            stereo=translation.is_stereo(publication),
            clock=self._clock,
            media_loop=self._media_loop,
            sound_of=self._sound_of,
        )
        self.roster.subscribed(remote)

    def _sound_of(self, pictures: RtcRemoteTrack) -> RtcRemoteTrack | None:
        """Return the open track of sound that belongs to ``pictures``; from any thread."""
        source = _SOUND.get(pictures.info.source)
        for track in list(self.roster.tracks.values()):
            whose = track.participant.identity == pictures.participant.identity
            if whose and track.info.source is source and track.is_open:
                return track
        return None

    def _track_unsubscribed(
        self, _track: rtc.RemoteTrack, publication: rtc.RemoteTrackPublication
    ) -> None:
        self.roster.unsubscribed(publication.sid)

    def _subscription_failed(self, _sdk: rtc.RemoteParticipant, sid: str, error: str) -> None:
        self.roster.failed(sid, error)

    def _track_muted(self, _sdk: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self.roster.muted(publication.sid, muted=True)

    def _track_unmuted(self, _sdk: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self.roster.muted(publication.sid, muted=False)

    def _reconnecting(self) -> None:
        self._tell(Reconnecting(self._clock.now()))

    def _reconnected(self) -> None:
        self.look()
        self._tell(Reconnected(self._clock.now()))
