"""Local tracks: they show the pictures and play the sound they are given."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
from livekit import rtc
from livekit.rtc.participant import PublishTrackError, UnpublishTrackError
from numpy.typing import NDArray

from agent.clock import Clock
from agent.errors import ServiceError, UnsupportedError
from agent.media import AudioFrame, VideoFrame
from agent.redaction import without_secrets
from agent.room import AudioOptions, Source, VideoOptions
from agent.rtc import translation
from agent.rtc.timing import CaptureStamps, SoundSchedule

LEAD_S = 0.03
"""How long after it was sent everything leaves, so that an event loop that is late by less is not
noticed: sound waits in the SDK's queue for it, pictures in ours. Alike, or lips and voice part."""

AHEAD_S = 0.04
"""How far ahead of its time sound may be sent; a caller that is faster has to wait."""

QUEUE_MS = 100
"""More than ever waits in the SDK's queue; at the limit it would make its own callers wait."""

PIECE_MS = 10
"""What WebRTC encodes at a time."""

PAUSE_S = 0.5
"""Sound that is late by less has been held up, and what is overdue of it is left out. Late by
more it is a new beginning after a pause."""

BITS_PER_PIXEL = 0.1
"""Ample for VP8 and H.264 at camera sizes. The SDK's own defaults send at most 20 or 25 pictures
a second at small sizes, so we always set both bitrate and rate."""

MIN_BITRATE_BPS = 300_000

MUSIC_BITRATE_BPS = 64_000
"""Per channel: Opus is transparent there. The SDK's default is for speech."""

ANSWER_TIMEOUT_S = 12.0
"""The SDK itself gives up after 10 s."""

UNPUBLISH_TIMEOUT_S = 2.0


class LocalTrack:
    """A track of ours while it is offered; the publication's SID may change at any time."""

    def __init__(
        self,
        publisher: rtc.LocalParticipant,
        publication: rtc.LocalTrackPublication,
        track: rtc.LocalVideoTrack | rtc.LocalAudioTrack,
        close_source: Callable[[], Awaitable[None]],
    ) -> None:
        self._publisher = publisher
        self._publication = publication
        self._track = track
        self._close_source = close_source
        self._closed = False

    @property
    def sid(self) -> str:
        """The server's present name of it; another after a full reconnect."""
        return self._publication.sid

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed

    def end(self) -> None:
        """Send no more: the connection is over. Idempotent."""
        self._closed = True

    async def set_muted(self, *, muted: bool) -> None:
        """Stop or go on sending; subscribers see which."""
        if self._closed:
            return
        if muted:
            self._track.mute()
        else:
            self._track.unmute()

    async def aclose(self) -> None:
        """Unpublish, if there is still somebody to tell. Idempotent."""
        if self._publication.track is not None and not self._closed:
            self._closed = True
            try:
                async with asyncio.timeout(UNPUBLISH_TIMEOUT_S):
                    await self._publisher.unpublish_track(self._publication.sid)
            except (UnpublishTrackError, TimeoutError):
                pass  # the connection is broken; the server unpublishes when it ends
        self._closed = True
        await self._close_source()


class RtcVideoPublication:
    """A track that shows the pictures it is given, stamped by their own timeline."""

    def __init__(self, source: rtc.VideoSource, local: LocalTrack, clock: Clock) -> None:
        self.local = local
        self._source = source
        self._clock = clock
        self._stamps = CaptureStamps()

    @property
    def sid(self) -> str:
        """The server's present name of it; another after a full reconnect."""
        return self.local.sid

    async def send(self, frame: VideoFrame) -> None:
        """Show ``frame`` in a moment; does nothing once the connection is over."""
        if self.local.closed:
            return
        picture = rtc.VideoFrame(
            frame.width, frame.height, rtc.VideoBufferType.I420, _bytes_of(frame.i420)
        )
        stamp = self._stamps.stamp(float(frame.time), self._clock.now())
        rotation = translation.sdk_rotation(frame.rotation)
        asyncio.get_running_loop().call_later(LEAD_S, self._show, picture, stamp + LEAD_S, rotation)

    def _show(
        self, picture: rtc.VideoFrame, stamp: float, rotation: rtc.VideoRotation.ValueType
    ) -> None:
        if not self.local.closed:
            self._source.capture_frame(picture, timestamp_us=round(stamp * 1e6), rotation=rotation)

    async def set_muted(self, *, muted: bool) -> None:
        """Stop or go on sending; subscribers see which."""
        await self.local.set_muted(muted=muted)

    async def aclose(self) -> None:
        """Unpublish. Idempotent."""
        await self.local.aclose()


class RtcAudioPublication:
    """A track that plays the samples it is given, one after another, each at its time.

    Attributes:
        skipped_s: Seconds of sound left out because they were sent too late.
    """

    def __init__(
        self, source: rtc.AudioSource, local: LocalTrack, options: AudioOptions, clock: Clock
    ) -> None:
        self.local = local
        self._source = source
        self.skipped_s = 0.0
        self._options = options
        self._clock = clock
        self._writing = asyncio.Lock()
        self._schedule = SoundSchedule(options.sample_rate, LEAD_S, PAUSE_S)

    @property
    def sid(self) -> str:
        """The server's present name of it; another after a full reconnect."""
        return self.local.sid

    async def send(self, frame: AudioFrame) -> None:
        """Play ``frame`` after what was sent before; nothing once the connection is over.

        Raises:
            ValueError: If rate or channels are not those of the options.
        """
        given = (frame.sample_rate, frame.samples.shape[1])
        wanted = (self._options.sample_rate, self._options.channels)
        if given != wanted:
            message = f"this track plays {wanted} (rate, channels), not {given}"
            raise ValueError(message)
        async with self._writing:
            if self.local.closed:
                return
            turn = self._schedule.next(frame.pts, len(frame.samples), self._clock.now())
            self.skipped_s += turn.skip / frame.sample_rate
            silence = np.zeros((turn.silence, self._options.channels), np.int16)
            samples = np.concatenate([silence, frame.samples[turn.skip :]])
            for piece in _pieces(samples, frame.sample_rate * PIECE_MS // 1000):
                await self._capture(piece)
            if not self.local.closed:
                await self._clock.sleep_until(self._schedule.due - LEAD_S - AHEAD_S)

    async def set_muted(self, *, muted: bool) -> None:
        """Stop or go on sending; subscribers see which."""
        await self.local.set_muted(muted=muted)

    async def aclose(self) -> None:
        """Unpublish. Idempotent."""
        await self.local.aclose()

    async def _capture(self, samples: NDArray[np.int16]) -> None:
        piece = rtc.AudioFrame(
            samples.tobytes(), self._options.sample_rate, self._options.channels, len(samples)
        )
        try:
            await self._source.capture_frame(piece)
        except Exception as error:  # the SDK raises nothing more precise
            if self.local.closed:
                return
            if "InvalidState" not in str(error):
                raise
            await asyncio.sleep(PIECE_MS / 1000)
            await self._source.capture_frame(piece)


async def publish_video(
    publisher: rtc.LocalParticipant, options: VideoOptions, clock: Clock
) -> RtcVideoPublication:
    """Offer a video track.

    Raises:
        UnsupportedError: If the SDK can't encode that codec.
        ServiceError: If the server refuses or doesn't answer.
    """
    codec = translation.SDK_CODECS.get(options.codec)
    if codec is None:
        known = ", ".join(translation.SDK_CODECS)
        message = f"the SDK engine can't send {options.codec}; it can send {known}"
        raise UnsupportedError(message)
    _check_permitted(publisher, options.source)
    screen = options.source is Source.SCREEN_SHARE
    source = rtc.VideoSource(options.width, options.height, is_screencast=screen)
    _show_nothing(source, options)
    track = rtc.LocalVideoTrack.create_video_track(options.name, source)
    bitrate = options.max_bitrate_bps or max(
        MIN_BITRATE_BPS, round(options.width * options.height * options.max_fps * BITS_PER_PIXEL)
    )
    asked = rtc.TrackPublishOptions(
        source=translation.sdk_source(options.source),
        video_codec=codec,
        simulcast=options.simulcast,
        video_encoding=rtc.VideoEncoding(max_bitrate=bitrate, max_framerate=options.max_fps),
    )
    publication = await _publish(publisher, track, asked, source.aclose)
    local = LocalTrack(publisher, publication, track, source.aclose)
    return RtcVideoPublication(source, local, clock)


def _show_nothing(source: rtc.VideoSource, options: VideoOptions) -> None:
    """Show a picture to nobody yet: until its first one, a source sends black ones by itself."""
    black = rtc.VideoFrame(
        options.width,
        options.height,
        rtc.VideoBufferType.I420,
        bytes(options.width * options.height * 3 // 2),
    )
    source.capture_frame(black)


async def publish_audio(
    publisher: rtc.LocalParticipant, options: AudioOptions, clock: Clock
) -> RtcAudioPublication:
    """Offer an audio track, encoded as music: nothing is taken for silence or noise.

    Raises:
        ServiceError: If the server refuses or doesn't answer.
    """
    _check_permitted(publisher, options.source)
    source = rtc.AudioSource(options.sample_rate, options.channels, queue_size_ms=QUEUE_MS)
    track = rtc.LocalAudioTrack.create_audio_track(options.name, source)
    bitrate = options.max_bitrate_bps or MUSIC_BITRATE_BPS * options.channels
    asked = rtc.TrackPublishOptions(
        source=translation.sdk_source(options.source),
        dtx=False,
        red=True,
    )
    asked.audio_encoding.max_bitrate = bitrate
    publication = await _publish(publisher, track, asked, source.aclose)
    local = LocalTrack(publisher, publication, track, source.aclose)
    return RtcAudioPublication(source, local, options, clock)


async def _publish(
    publisher: rtc.LocalParticipant,
    track: rtc.LocalVideoTrack | rtc.LocalAudioTrack,
    options: rtc.TrackPublishOptions,
    close_source: Callable[[], Awaitable[None]],
) -> rtc.LocalTrackPublication:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await publisher.publish_track(track, options)
    except (PublishTrackError, TimeoutError) as error:
        await close_source()
        reason = without_secrets(str(error)) or "the server did not answer in time"
        message = f"can't publish the track {track.name!r}: {reason}"
        raise ServiceError(message) from None
    except asyncio.CancelledError:
        await close_source()
        raise


def _check_permitted(publisher: rtc.LocalParticipant, source: Source) -> None:
    """Raise what the server would only answer with silence."""
    permitted = publisher.permissions
    sources = permitted.can_publish_sources
    if not permitted.can_publish or (sources and translation.sdk_source(source) not in sources):
        message = f"the token does not allow {publisher.identity!r} to publish a {source} track"
        raise ServiceError(message)


def _bytes_of(i420: NDArray[np.uint8]) -> memoryview:
    """Return the planes as the SDK takes them: flat, whole, and writable; a copy if need be."""
    flat = np.ascontiguousarray(i420).reshape(-1)
    return (flat if flat.flags.writeable else flat.copy()).data


def _pieces(samples: NDArray[np.int16], size: int) -> Iterator[NDArray[np.int16]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]
