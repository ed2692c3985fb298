"""The port: what everything above needs of a room, and what an adapter has to give.

An adapter turns whatever its library does into this: typed events on one ordered stream,
tracks whose frames carry media time and whose streams end, publications that take frames.
Adapters raise :mod:`agent.errors` only.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from agent.media import AudioFrame, Codec, Frame, Kind, VideoFrame


class Source(StrEnum):
    """Where a track comes from; LiveKit's names."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN_SHARE = "screen_share"
    SCREEN_SHARE_AUDIO = "screen_share_audio"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Access:
    """What opens a room: one token, good for one attempt to join."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Participant:
    """A remote participant as last heard of.

    Attributes:
        identity: Chosen, unique in the room, the same over reconnects.
        sid: Given by the server, another after each join.
        attributes: Set by the token, or by the participant where its grants allow that.
        may_update_attributes: Whether they do; then nothing in them is to be believed.
        is_recorder: Whether its token carries the ``recorder`` grant.
    """

    identity: str
    sid: str
    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    may_update_attributes: bool = False
    is_recorder: bool = False


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """A published track as last heard of.

    Attributes:
        sid: Given by the server; another after each republish and full reconnect.
        codec: ``None`` if it is none we know.
    """

    sid: str
    kind: Kind
    source: Source
    name: str = ""
    codec: Codec | None = None
    muted: bool = False


class FrameStream(Protocol):
    """The frames of one subscribed track, in order, from when it was opened to its end.

    Ends within a second of the track's end, whatever ended it, after what was buffered.
    """

    @property
    def dropped(self) -> int:
        """Frames lost between the network and the reader because the reader was slow."""
        ...

    def __aiter__(self) -> AsyncIterator[Frame]:
        """One reader only."""
        ...

    async def aclose(self) -> None:
        """Stop receiving; the reader gets what is buffered, then the end. Idempotent."""
        ...


class RemoteTrack(Protocol):
    """A track that is subscribed."""

    @property
    def participant(self) -> Participant:
        """Whose it is."""
        ...

    @property
    def info(self) -> TrackInfo:
        """As it was when it was subscribed."""
        ...

    def open(self, *, keep_bytes: int) -> FrameStream:
        """Start to receive.

        Args:
            keep_bytes: How much may wait for a slow reader before the oldest is dropped; one
                frame always may.
        """
        ...


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """Something that happened.

    Attributes:
        at: When we heard of it, on the clock of the received frames, in seconds.
    """

    at: float


@dataclass(frozen=True, slots=True)
class ParticipantJoined(RoomEvent):
    """A participant is in the room; also sent for each that was there before us."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantChanged(RoomEvent):
    """Name, attributes or permissions are others now."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft(RoomEvent):
    """A participant is gone, and all its tracks with it."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class TrackEvent(RoomEvent):
    """Something that happened to a remote track."""

    participant: Participant
    track: TrackInfo


@dataclass(frozen=True, slots=True)
class TrackPublished(TrackEvent):
    """A track is offered; also sent for each that was there before us."""


@dataclass(frozen=True, slots=True)
class TrackUnpublished(TrackEvent):
    """A track is no longer offered."""


@dataclass(frozen=True, slots=True)
class TrackMuted(TrackEvent):
    """The publisher sends nothing until it unmutes."""


@dataclass(frozen=True, slots=True)
class TrackUnmuted(TrackEvent):
    """The publisher sends again."""


@dataclass(frozen=True, slots=True)
class TrackSubscribed(RoomEvent):
    """A track can be opened."""

    track: RemoteTrack


@dataclass(frozen=True, slots=True)
class TrackUnsubscribed(TrackEvent):
    """A track that could be opened can be no longer; its stream ends by itself."""


@dataclass(frozen=True, slots=True)
class TrackFailed(TrackEvent):
    """A track can't be subscribed.

    Attributes:
        reason: A phrase for a person.
    """

    reason: str


class EndReason(StrEnum):
    """Why a stay in a room ended."""

    LEFT = "left"
    REMOVED = "removed"
    DUPLICATE_IDENTITY = "duplicate_identity"
    ROOM_CLOSED = "room_closed"
    SERVER_SHUTDOWN = "server_shutdown"
    CONNECTION_LOST = "connection_lost"

    @property
    def is_final(self) -> bool:
        """Whether joining again would be against somebody's will."""
        return self in (EndReason.LEFT, EndReason.REMOVED, EndReason.DUPLICATE_IDENTITY)


@dataclass(frozen=True, slots=True)
class Reconnecting(RoomEvent):
    """The connection is lost, and being mended.

    Attributes:
        reason: Why, where we join again from nothing; ``None`` where the adapter mends it.
    """

    reason: EndReason | None = None


@dataclass(frozen=True, slots=True)
class Reconnected(RoomEvent):
    """The connection is back. Tracks that were replaced come as unsubscribed and subscribed."""


@dataclass(frozen=True, slots=True)
class Ended(RoomEvent):
    """The connection is over; the last event."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How to publish pictures.

    Attributes:
        max_fps: What the encoder is told to expect.
        max_bitrate_bps: ``None`` leaves it to the encoder.
        simulcast: Whether to send smaller layers too.
    """

    width: int
    height: int
    max_fps: float = 30.0
    name: str = "camera"
    source: Source = Source.CAMERA
    codec: Codec = Codec.VP8
    max_bitrate_bps: int | None = None
    simulcast: bool = False


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """How to publish sound."""

    sample_rate: int = 48_000
    channels: int = 1
    name: str = "microphone"
    source: Source = Source.MICROPHONE
    max_bitrate_bps: int | None = None


FrameT_contra = TypeVar("FrameT_contra", contravariant=True)


class Publication(Protocol[FrameT_contra]):
    """A track of ours that shows the pictures, or plays the samples, it is given."""

    @property
    def sid(self) -> str:
        """The server's present name of it; another after a full reconnect."""
        ...

    async def send(self, frame: FrameT_contra) -> None:
        """Send ``frame`` now; pacing is the caller's. Nothing happens once the room has ended.

        Pictures may be of any even size. Sound is played after what was sent before; the call
        waits while more than a little is queued.

        Raises:
            ValueError: If the sound's rate or channels are not those of the options.
        """
        ...

    async def set_muted(self, *, muted: bool) -> None:
        """Stop or go on sending; subscribers see which."""
        ...

    async def aclose(self) -> None:
        """Unpublish. Idempotent."""
        ...


VideoPublication = Publication[VideoFrame]
AudioPublication = Publication[AudioFrame]


class Room(Protocol):
    """One connection to one room: joined once, left once."""

    @property
    def name(self) -> str:
        """Its name; empty before :meth:`connect`."""
        ...

    @property
    def sid(self) -> str:
        """The server's name of it, empty while unknown."""
        ...

    @property
    def identity(self) -> str:
        """Ours; empty before :meth:`connect`."""
        ...

    async def connect(self, access: Access, *, timeout_s: float) -> None:
        """Join. If cancelled or too late, what was begun is undone in the background.

        Raises:
            JoinError: If that fails.
        """
        ...

    def events(self) -> AsyncIterator[RoomEvent]:
        """Yield what happens, from who is there already to :class:`Ended`; one reader."""
        ...

    def subscribe(self, sid: str, *, wanted: bool) -> None:
        """Receive a track, or no longer; what comes of it, the events tell.

        Nothing happens if the track is gone or already is as ``wanted``. Who subscribes to
        nothing spares network and decoder, whatever is published.
        """
        ...

    async def publish_video(self, options: VideoOptions) -> VideoPublication:
        """Offer a video track.

        Raises:
            ServiceError: If the server refuses or doesn't answer.
        """
        ...

    async def publish_audio(self, options: AudioOptions) -> AudioPublication:
        """Offer an audio track.

        Raises:
            ServiceError: If the server refuses or doesn't answer.
        """
        ...

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Set our own attributes; the others stay.

        Raises:
            ServiceError: If our grants forbid it or the server doesn't answer.
        """
        ...

    async def disconnect(self) -> None:
        """Leave: open streams end, then :meth:`events`. Idempotent."""
        ...
