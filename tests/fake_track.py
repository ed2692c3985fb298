"""A track of a :class:`~tests.fake_room.FakeRoom`, from its publisher to its subscribers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from agent.frame_buffer import FrameBuffer
from agent.media import VIDEO_CLOCK_RATE, AudioFrame, Frame, VideoFrame
from agent.room import AudioOptions, Participant, TrackInfo

if TYPE_CHECKING:
    from tests.fake_room import FakeRoom

AUDIO_AHEAD_S = 0.04
"""How much sound may wait to be played before ``send`` waits."""

AUDIO_PAUSE_S = 0.5
"""Sound that is late by less follows what was sent before without a hole."""


class FakeTrack:
    """A track that a member publishes and a test feeds.

    Attributes:
        info: As the others see it now; another SID after a full reconnect.
        refusal: Why nobody can subscribe to it; empty if they can.
    """

    def __init__(self, publisher: "FakeRoom", info: TrackInfo, refusal: str) -> None:
        self.publisher = publisher
        self.info = info
        self.refusal = refusal

    def put(self, frame: Frame) -> None:
        """Let all who have the track open receive ``frame`` as it is."""
        if not self.info.muted:
            self.publisher.sfu.deliver(self, frame)

    def set_muted(self, *, muted: bool) -> None:
        if muted != self.info.muted:
            self.info = replace(self.info, muted=muted)
            self.publisher.sfu.change_mute(self)

    def stop(self) -> None:
        """Unpublish. Idempotent."""
        if self in self.publisher.tracks:
            self.publisher.tracks.remove(self)
            self.publisher.sfu.unpublish(self)


class FakeStream:
    """The frames of one opening of a track."""

    def __init__(self, keep_bytes: int) -> None:
        self._buffer: FrameBuffer[Frame] = FrameBuffer(keep_bytes, weigh=lambda f: f.nbytes)

    @property
    def dropped(self) -> int:
        return self._buffer.dropped

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self._buffer.__aiter__()

    def put(self, frame: Frame) -> None:
        self._buffer.put(frame)

    def end(self) -> None:
        self._buffer.close()

    async def aclose(self) -> None:
        self.end()


class FakeRemoteTrack:
    """A track as one subscriber has it."""

    def __init__(self, track: FakeTrack) -> None:
        self._track = track
        self._participant = track.publisher.participant
        self._info = track.info
        self._streams: list[FakeStream] = []
        self._ended = False

    @property
    def participant(self) -> Participant:
        return self._participant

    @property
    def info(self) -> TrackInfo:
        return self._info if self._ended else self._track.info

    def open(self, *, keep_bytes: int) -> FakeStream:
        stream = FakeStream(keep_bytes)
        if self._ended:
            stream.end()
        else:
            self._streams.append(stream)
        return stream

    def deliver(self, frame: Frame) -> None:
        for stream in self._streams:
            stream.put(frame)

    def end(self) -> None:
        self._ended = True
        self._info = self._track.info
        for stream in self._streams:
            stream.end()


class FakeVideoPublication:
    """Pictures sent are received at once, at the time they were sent."""

    def __init__(self, track: FakeTrack) -> None:
        self._track = track

    @property
    def sid(self) -> str:
        return self._track.info.sid

    async def send(self, frame: VideoFrame) -> None:
        now = Fraction(self._track.publisher.sfu.clock.now())
        self._track.put(replace(frame, pts=round(now * VIDEO_CLOCK_RATE)))

    async def set_muted(self, *, muted: bool) -> None:
        self._track.set_muted(muted=muted)

    async def aclose(self) -> None:
        self._track.stop()


class FakeAudioPublication:
    """Samples sent are received at once, at the time they are due to be played."""

    def __init__(self, track: FakeTrack, options: AudioOptions) -> None:
        self._track = track
        self._options = options
        self._due = float("-inf")

    @property
    def sid(self) -> str:
        return self._track.info.sid

    async def send(self, frame: AudioFrame) -> None:
        given = (frame.sample_rate, frame.samples.shape[1])
        wanted = (self._options.sample_rate, self._options.channels)
        if given != wanted:
            message = f"this track plays {wanted} (rate, channels), not {given}"
            raise ValueError(message)
        clock = self._track.publisher.sfu.clock
        if clock.now() - self._due > AUDIO_PAUSE_S:
            self._due = clock.now()
        pts = round(Fraction(self._due) * frame.sample_rate)
        self._track.put(replace(frame, pts=pts))
        self._due += float(frame.duration)
        if not self._track.publisher.ended:
            await clock.sleep_until(self._due - AUDIO_AHEAD_S)

    async def set_muted(self, *, muted: bool) -> None:
        self._track.set_muted(muted=muted)

    async def aclose(self) -> None:
        self._track.stop()
