"""Remote tracks and their frames."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Protocol

import numpy as np
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto.ffi_pb2 import FfiRequest
from livekit.rtc._proto.video_frame_pb2 import OwnedVideoStream, VideoStreamType
from numpy.typing import NDArray

from agent.clock import Clock
from agent.frame_buffer import FrameBuffer
from agent.media import AudioFrame, Frame, Kind, VideoFrame
from agent.room import Participant, TrackInfo
from agent.rtc import translation
from agent.rtc.lip_sync import JitterBuffer, LipSync
from agent.rtc.media_loop import MediaLoop
from agent.rtc.timing import AudioTimeline, VideoTimeline

SAMPLE_RATE = 48_000
"""What Opus decodes to."""

AUDIO_FRAME_MS = 20
"""10 ms frames cost twice as many events and gain nothing."""

AUDIO_RING_FRAMES = 50
VIDEO_RING_FRAMES = 8
"""What the SDK may hold between two turns of the media loop: it drops the oldest, uncounted.

With 1, a burst after a thread was kept waiting loses pictures that the reader would have had
time for.
"""

BLANK_SIDE = 16
"""When a track is muted or ends, the SFU finishes it with a black picture of 8x8 (VP8) or 2x2
(H.264) so that decoders let go of the last real one. No camera is so small."""

MEASURE_EVERY_S = 1.0
"""How often jitter buffers are asked; it costs 1.4 ms of CPU each time."""

FIRST_MEASURE_S = 0.3

CLOSE_TIMEOUT_S = 1.0
"""``aclose()`` of the SDK's streams waits for an event that may never come."""


class SdkStream(Protocol):
    """What the SDK's two sorts of stream have in common."""

    async def aclose(self) -> None:
        """Let go of the native stream."""
        ...


class PatientVideoStream(rtc.VideoStream):
    """A video stream whose native queue has room for more than one picture.

    The SDK asks for one and has no option for more: a thread that is kept waiting for 33 ms then
    costs a picture. What it does not know by another name is asked for here in its own words,
    those of livekit 1.2.
    """

    def _create_owned_stream(self) -> OwnedVideoStream:
        request = FfiRequest()
        wanted = request.new_video_stream
        wanted.track_handle = self._track._ffi_handle.handle  # type: ignore[union-attr]  # noqa: SLF001
        wanted.type = VideoStreamType.VIDEO_STREAM_NATIVE
        wanted.format = rtc.VideoBufferType.I420
        wanted.normalize_stride = True
        wanted.queue_size_frames = VIDEO_RING_FRAMES
        stream: OwnedVideoStream = FfiClient.instance.request(request).new_video_stream.stream
        return stream


class RtcFrameStream:
    """The frames of one opening of a track, which ends when we say so.

    The SDK's own iterators don't: after unpublish, leave and kick they wait for ever, and one
    that is left open goes on with the frames of whichever track comes next.
    """

    def __init__(
        self,
        media_loop: MediaLoop,
        keep_bytes: int,
        pump: Callable[[Callable[[Frame], None]], Coroutine[None, None, None]],
    ) -> None:
        self._buffer: FrameBuffer[Frame] = FrameBuffer(keep_bytes, weigh=_nbytes)
        self._pump = media_loop.run(lambda: self._run(pump))

    @property
    def dropped(self) -> int:
        """Frames that made room for newer ones."""
        return self._buffer.dropped

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self._buffer.__aiter__()

    def end(self) -> None:
        """Receive no more; the reader gets what is buffered. Doesn't wait. Idempotent."""
        self._buffer.close()
        self._pump.cancel()

    async def aclose(self) -> None:
        """End, and wait until the SDK has let go of the track."""
        self.end()
        await self.finished(2 * CLOSE_TIMEOUT_S)

    async def finished(self, timeout_s: float) -> bool:
        """Wait until nothing comes any more; return whether it is so."""
        return await self._pump.wait(timeout_s)

    async def _run(
        self, pump: Callable[[Callable[[Frame], None]], Coroutine[None, None, None]]
    ) -> None:
        try:
            await pump(self._buffer.put)
        finally:
            self._buffer.close()


class RtcRemoteTrack:
    """A track that is subscribed, as the SDK has it until it ends.

    Attributes:
        participant: As last heard of; kept up to date by the roster.
        info: Likewise.
    """

    def __init__(
        self,
        sdk: rtc.Track,
        participant: Participant,
        info: TrackInfo,
        *,
        stereo: bool,
        clock: Clock,
        media_loop: MediaLoop,
        sound_of: "Callable[[RtcRemoteTrack], RtcRemoteTrack | None]" = lambda _: None,
    ) -> None:
        """Make one; ``sound_of`` finds the track of sound that pictures belong to."""
        self.sdk = sdk
        self.participant = participant
        self.info = info
        self._channels = 2 if stereo else 1
        self._clock = clock
        self._media_loop = media_loop
        self._sound_of = sound_of
        self._streams: list[RtcFrameStream] = []
        self._ended = False

    @property
    def is_open(self) -> bool:
        """Whether somebody receives it."""
        return bool(self._streams) and not self._ended

    def open(self, *, keep_bytes: int) -> RtcFrameStream:
        """Start to receive; a stream that ended ends the reader at once."""
        pump = self._pump_audio if self.info.kind is Kind.AUDIO else self._pump_video
        stream = RtcFrameStream(self._media_loop, keep_bytes, pump)
        if self._ended:
            stream.end()
        self._streams.append(stream)
        return stream

    def end(self) -> None:
        """End all that was opened. Idempotent."""
        self._ended = True
        for stream in self._streams:
            stream.end()

    async def aclose(self) -> None:
        """End all that was opened, and wait until the SDK has let go of it."""
        self._ended = True
        await asyncio.gather(*(stream.aclose() for stream in self._streams))

    async def _pump_video(self, put: Callable[[Frame], None]) -> None:
        sync = LipSync()
        async with asyncio.TaskGroup() as tasks:
            measuring = tasks.create_task(self._measure(sync), name="lip sync")
            try:
                await self._receive_pictures(put, sync)
            finally:
                measuring.cancel()

    async def _receive_pictures(self, put: Callable[[Frame], None], sync: LipSync) -> None:
        timeline = VideoTimeline()
        stream = PatientVideoStream(
            self.sdk, capacity=VIDEO_RING_FRAMES, format=rtc.VideoBufferType.I420
        )
        try:
            async for event in stream:
                arrival = self._clock.now()
                width, height = event.frame.width, event.frame.height
                if max(width, height) <= BLANK_SIDE:
                    continue
                stamp = event.timestamp_us / 1e6 + sync.shift(arrival)
                pts = timeline.place(stamp, arrival)
                i420 = stacked_planes(event.frame.data, width, height)
                put(VideoFrame(i420, pts, translation.degrees(event.rotation)))
        finally:
            await _close(stream)

    async def _measure(self, sync: LipSync) -> None:
        """Ask the jitter buffers of these pictures and their sound, now and then."""
        buffers: dict[int, JitterBuffer] = {}
        pause_s = FIRST_MEASURE_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = MEASURE_EVERY_S
            sound = self._sound_of(self)
            if sound is None:
                continue
            held = [
                buffers.setdefault(id(track), JitterBuffer()).update(*await _jitter_buffer(track))
                for track in (sound.sdk, self.sdk)
            ]
            sync.update(*held)

    async def _pump_audio(self, put: Callable[[Frame], None]) -> None:
        timeline = AudioTimeline(SAMPLE_RATE)
        stream = rtc.AudioStream(
            self.sdk,
            capacity=AUDIO_RING_FRAMES,
            sample_rate=SAMPLE_RATE,
            num_channels=self._channels,
            frame_size_ms=AUDIO_FRAME_MS,
        )
        try:
            async for event in stream:
                arrival = self._clock.now()
                samples = np.frombuffer(event.frame.data, np.int16).reshape(-1, self._channels)
                pts = timeline.place(len(samples), arrival)
                put(AudioFrame(samples, SAMPLE_RATE, pts))
        finally:
            await _close(stream)


def stacked_planes(data: memoryview, width: int, height: int) -> NDArray[np.uint8]:
    """Return I420 planes as one array, without copying where both sides are even.

    Else the last row or column is left out.
    """
    flat = np.frombuffer(data, np.uint8)
    if width % 2 == 0 and height % 2 == 0:
        return flat.reshape(height * 3 // 2, width)
    chroma_width, chroma_height = (width + 1) // 2, (height + 1) // 2
    luma, chroma = width * height, chroma_width * chroma_height
    even_width, even_height = width - width % 2, height - height % 2
    planes = [flat[:luma].reshape(height, width)[:even_height, :even_width]]
    for start in (luma, luma + chroma):
        plane = flat[start : start + chroma].reshape(chroma_height, chroma_width)
        planes.append(plane[: even_height // 2, : even_width // 2])
    return np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, even_width)


async def _jitter_buffer(track: rtc.Track) -> tuple[float, int]:
    """Return how many seconds it has held all that it let go of, and of how many; zeros if gone."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            stats = await track.get_stats()
    except TimeoutError:
        return 0.0, 0
    except Exception:  # noqa: BLE001 - the SDK raises just that, of a track that has ended
        return 0.0, 0
    return translation.jitter_buffer(stats)


async def _close(stream: SdkStream) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await stream.aclose()
    except TimeoutError:  # the SDK's own task is cancelled with it
        return


def _nbytes(frame: Frame) -> int:
    return frame.nbytes
