"""The recording of one participant: every source of theirs, over all that may happen to it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple, Unpack

from agent.media import AudioFrame, EncodedFrame, Kind, VideoFrame
from agent.recording.manifest import GapReason
from agent.recording.participant_file import ParticipantFile
from agent.recording.timeline import AudioTimeline, TrackLog, VideoTimeline
from agent.room import FrameStream, RemoteTrack, Source

logger = logging.getLogger(__name__)

KEEP_BYTES = {Kind.AUDIO: 1_000_000, Kind.VIDEO: 8_000_000}
"""What may wait for the disk or the encoder: ten seconds of sound, six pictures of 720p."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(slots=True)
class TrackRecording:
    """One source of the participant, over all its republishing.

    Attributes:
        muted: By its publisher, who sends nothing or silence then.
        streams: One, or two for a moment in which one track takes the place of another.
        waiting: How many of their readers have nothing to write.
    """

    source: Source
    kind: Kind
    timeline: AudioTimeline | VideoTimeline
    muted: bool = False
    dropped: int = 0
    streams: list[FrameStream] = field(default_factory=list)
    waiting: int = 0

    @property
    def log(self) -> TrackLog:
        """What there was."""
        return self.timeline.log


class ParticipantRecording:
    """What one participant publishes, in one file.

    Encoding and writing happen on a thread of its own, one thing after the other: a slow disk
    or a large picture holds nobody else up.
    """

    def __init__(self, identity: str, file: ParticipantFile, *, zero: float) -> None:
        """Record into ``file``; ``zero`` is what the frames' clock read at the timeline's zero."""
        self.identity = identity
        self.file = file
        self.tracks: dict[tuple[Source, Kind], TrackRecording] = {}
        self._zero = zero
        self._ending = False
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")

    def track(self, source: Source, kind: Kind) -> TrackRecording:
        """Return the recording of ``source``, begun if need be."""
        track = self.tracks.get((source, kind))
        if track is None:
            timeline: AudioTimeline | VideoTimeline
            if kind is Kind.AUDIO:
                timeline = AudioTimeline()
            else:
                timeline = VideoTimeline(may_stand_still=source is Source.SCREEN_SHARE)
            track = self.tracks[source, kind] = TrackRecording(source, kind, timeline)
            self.file.expect(kind)
        return track

    async def record(self, remote: RemoteTrack) -> None:
        """Record ``remote`` to its end, or to the beginning of another one from its source.

        Raises:
            WriteError: If the file can't be written any further.
        """
        track = self.track(remote.info.source, remote.info.kind)
        for before in list(track.streams):
            logger.info("%s has another %s: the one before ends", self.identity, track.source)
            await before.aclose()
        stream = remote.open(keep_bytes=KEEP_BYTES[track.kind])
        track.streams.append(stream)
        if self._ending:
            await stream.aclose()
        try:
            async with aclosing(stream):
                track.waiting += 1
                async for frame in stream:
                    track.waiting -= 1
                    await self._write(track, frame)
                    track.waiting += 1
                track.waiting -= 1
        finally:
            track.streams.remove(stream)
            track.dropped += stream.dropped

    async def fill(self, now_s: float) -> None:
        """Let black and silence stand in for what is not expected to come.

        Leaves alone what still has frames to write: they come first.
        """
        for track in list(self.tracks.values()):
            if track.streams and not track.waiting:
                continue
            if isinstance(track.timeline, AudioTimeline):
                if silence := track.timeline.fill(now_s):
                    await self._on_thread(self.file.silence, silence)
            elif times := track.timeline.fill(now_s):
                await self._on_thread(self.file.black, times)
        await self._on_thread(self.file.hurry, now_s)

    def interrupt(self, at_s: float, reason: GapReason) -> None:
        """Expect nothing of any track from ``at_s`` on."""
        for track in self.tracks.values():
            track.log.interrupt(at_s, reason)

    def resume(self) -> None:
        """Expect frames again of every track that is still subscribed and not muted."""
        for track in self.tracks.values():
            if track.streams and not track.muted:
                track.log.resume()

    async def end_streams(self) -> None:
        """Receive no more; :meth:`record` returns when it has written what it had received."""
        self._ending = True
        for track in self.tracks.values():
            for stream in list(track.streams):
                await stream.aclose()

    async def close(self) -> None:
        """Finish the file. Idempotent.

        Raises:
            WriteError: If the last of it can't be written.
        """
        if self._closed:
            return
        self._closed = True
        try:
            await self._on_thread(self.file.close)
        finally:
            self._thread.shutdown(wait=False)

    async def _write(self, track: TrackRecording, frame: object) -> None:
        match frame, track.timeline:
            case AudioFrame(), AudioTimeline() as audio:
                await self._write_audio(audio, frame)
            case VideoFrame(), VideoTimeline() as video:
                time_s = video.place(float(frame.time) - self._zero)
                if time_s is not None:
                    video.log.sized(time_s, frame.width, frame.height)
                    await self._on_thread(self.file.picture, frame, time_s)
            case EncodedFrame(), VideoTimeline() as video:
                time_s = video.place(float(frame.time) - self._zero)
                if time_s is not None:
                    if frame.width:
                        video.log.sized(time_s, frame.width, frame.height)
                    await self._on_thread(self.file.encoded, frame, time_s)
            case EncodedFrame(), AudioTimeline() as audio:
                time_s = float(frame.time) - self._zero
                placement = audio.place(time_s, frame.duration, silent=False)
                if not placement.skip:
                    await self._on_thread(self.file.encoded, frame, time_s)
            case _:
                message = f"a {track.kind} track delivered a {type(frame).__name__}"
                raise TypeError(message)

    async def _write_audio(self, timeline: AudioTimeline, frame: AudioFrame) -> None:
        silent = not frame.samples.any()
        time_s = float(frame.time) - self._zero
        placement = timeline.place(time_s, len(frame.samples), silent=silent)
        if placement.skip < len(frame.samples):
            await self._on_thread(self.file.sound, frame.samples, placement, timeline.start_s)

    async def _on_thread(self, call: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        # Shielded, because its place on the timeline is taken: left out, it would move what
        # comes after it.
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, call, *args))
