"""Recorded files for tests, made without a room: the test picture, the tone, our encoders."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from agent.media import VIDEO_CLOCK_RATE, AudioFrame, EncodedFrame, Kind, VideoFrame
from agent.recording.container import Part
from agent.recording.encoding import AudioEncoder, VideoEncoder
from agent.tracks.pattern import Pattern
from agent.tracks.tone import Tone

SIZE = (320, 180)
FPS = 30


def pictures(
    seconds: float, *, size: tuple[int, int] = SIZE, fps: Fraction | int = FPS, source_id: int = 7
) -> Iterator[VideoFrame]:
    pattern = Pattern(*size, fps, source_id=source_id)
    return (pattern.frame(index) for index in range(round(seconds * fps)))


def sound(seconds: float, *, channels: int = 1) -> Iterator[AudioFrame]:
    tone = Tone(amplitude=0.1, beep_amplitude=0.5, channels=channels)
    return (tone.frame(index) for index in range(round(seconds * 50)))


def late_video(frame: VideoFrame, by_s: float) -> VideoFrame:
    return VideoFrame(frame.i420, frame.pts + round(by_s * VIDEO_CLOCK_RATE), frame.rotation)


def late_audio(frame: AudioFrame, by_s: float) -> AudioFrame:
    pts = frame.pts + round(by_s * frame.sample_rate)
    return AudioFrame(frame.samples, frame.sample_rate, pts)


def encoded(
    video: Iterator[VideoFrame] | Sequence[VideoFrame] = (),
    audio: Iterator[AudioFrame] | Sequence[AudioFrame] = (),
    *,
    video_encoder: VideoEncoder | None = None,
    channels: int = 1,
) -> list[EncodedFrame]:
    """Return everything encoded, in order of time."""
    video_encoder = video_encoder or VideoEncoder()
    audio_encoder = AudioEncoder(channels)
    frames = [out for frame in video for out in video_encoder.encode(frame)]
    frames += [out for frame in audio for out in audio_encoder.encode(frame)]
    frames += audio_encoder.close()
    return sorted(frames, key=lambda frame: frame.time)


def write_part(path: Path, frames: Sequence[EncodedFrame], *, start_s: float = 0.0) -> Part:
    """Write frames as one finished part whose time 0 is ``start_s``."""
    firsts: dict[Kind, EncodedFrame] = {}
    for frame in frames:
        firsts.setdefault(frame.codec.kind, frame)
    part = Part(
        path,
        start_s=start_s,
        video=firsts.get(Kind.VIDEO),
        audio=firsts.get(Kind.AUDIO),
    )
    for frame in frames:
        part.write(frame, time_s=float(frame.time))
    part.close()
    return part
