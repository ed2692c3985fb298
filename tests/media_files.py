"""Media files that a test writes for itself: ordinary ones, and the odd ones people have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from agent.tracks.pattern import Pattern
from agent.tracks.tone import Tone


@dataclass(frozen=True)
class Pictures:
    """A video track of :class:`~agent.tracks.pattern.Pattern`.

    Attributes:
        count: Picture *n* carries the number *n*.
        times: In seconds, of each picture; by default even, at ``fps``.
        rotation: By which a player turns the stored picture, in degrees anticlockwise.
        pixel_aspect: Width of a pixel over its height.
    """

    count: int = 50
    width: int = 320
    height: int = 180
    fps: Fraction = Fraction(25)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"preset": "ultrafast", "crf": "23"})
    start_s: Fraction = Fraction(0)
    times: tuple[float, ...] | None = None
    rotation: int = 0
    pixel_aspect: Fraction = Fraction(1)


@dataclass(frozen=True)
class Sound:
    """An audio track: a beep with each second of its own, over a quiet hum."""

    seconds: float = 2.0
    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    start_s: Fraction = Fraction(0)


Encoded = tuple[Fraction, "list[Packet[VideoStream]] | list[Packet[AudioStream]]"]


def write_media(
    path: Path,
    pictures: Pictures | None = None,
    sound: Sound | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write a file of the tracks given, in the format that ``path`` ends in.

    Args:
        options: Of the container, say ``{"movflags": "faststart"}``.
    """
    with av.open(str(path), "w", options=dict(options or {})) as container:
        tracks = []
        if pictures is not None:
            tracks.append(_video(container, pictures))
        if sound is not None:
            tracks.append(_audio(container, sound))
        waiting = {number: next(track) for number, track in enumerate(tracks)}
        while waiting:
            number = min(waiting, key=lambda number: waiting[number][0])
            for packet in waiting.pop(number)[1]:
                container.mux(packet)
            for encoded in tracks[number]:
                waiting[number] = encoded
                break
    return path


def cut_short(path: Path, share: float) -> Path:
    """Leave only the first ``share`` of the file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def _video(container: OutputContainer, pictures: Pictures) -> Iterator[Encoded]:
    stream = container.add_stream(pictures.codec, pictures.fps, options=dict(pictures.options))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = pictures.width, pictures.height
    stream.pix_fmt = pictures.pixel_format
    stream.codec_context.time_base = Fraction(1, 90_000)
    stream.codec_context.sample_aspect_ratio = pictures.pixel_aspect
    if pictures.rotation:
        stream.set_display_rotation(pictures.rotation)
    drawn = Pattern(
        max(128, pictures.width // 2 * 2), max(72, pictures.height // 2 * 2), pictures.fps
    )
    times = pictures.times or tuple(float(n / pictures.fps) for n in range(pictures.count))
    lasts = [after - before for before, after in pairwise(times)]
    for index, time in enumerate(times):
        picture = av.VideoFrame.from_ndarray(drawn.frame(index).i420, format="yuv420p")
        frame = picture.reformat(pictures.width, pictures.height, pictures.pixel_format)
        frame.pts = round((Fraction(time) + pictures.start_s) * 90_000)
        frame.time_base = Fraction(1, 90_000)
        frame.duration = round(90_000 * (lasts[index] if index < len(lasts) else 1 / pictures.fps))
        yield Fraction(time) + pictures.start_s, stream.encode(frame)
    yield Fraction(times[-1]) + pictures.start_s, stream.encode(None)


def _audio(container: OutputContainer, sound: Sound) -> Iterator[Encoded]:
    stream = container.add_stream(sound.codec, sound.rate, layout=sound.layout)
    assert isinstance(stream, AudioStream)
    channels = stream.codec_context.channels
    tone = Tone(
        amplitude=0.05,
        beep_amplitude=0.5,
        sample_rate=sound.rate,
        channels=channels,
        frame_samples=1024,
    )
    total = round(sound.seconds * sound.rate)
    to_codec = av.AudioResampler(stream.codec_context.format, sound.layout, sound.rate)
    for index in range(-(-total // 1024)):
        block = tone.frame(index)
        samples = block.samples[: total - block.pts]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.reshape(1, -1)), format="s16", layout=sound.layout
        )
        frame.sample_rate = sound.rate
        frame.time_base = Fraction(1, sound.rate)
        frame.pts = block.pts + round(sound.start_s * sound.rate)
        time = Fraction(block.pts, sound.rate) + sound.start_s
        yield time, [p for f in to_codec.resample(frame) for p in stream.encode(f)]
    yield Fraction(sound.seconds) + sound.start_s, stream.encode(None)
