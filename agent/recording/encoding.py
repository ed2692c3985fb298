"""Decoded frames in, encoded frames out; each call returns all that was encoded.

Neither encoder looks ahead or keeps a picture back, so that a process that is killed has
lost nothing here. Both keep the time of their input: what was 16 pictures a second stays so.
"""

import struct
from fractions import Fraction
from typing import Final, Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from agent.media import (
    OPUS_CLOCK_RATE,
    VIDEO_CLOCK_RATE,
    AudioFrame,
    Codec,
    EncodedFrame,
    VideoFrame,
)

VideoCodec = Literal[Codec.H264, Codec.VP8]

KEY_INTERVAL_S: Final = 2.0
"""At least this often a picture can be decoded alone: the step of seeking, and the most that a
hole in the file can spoil."""

_KEY_INTERVAL_TICKS: Final = int(KEY_INTERVAL_S * VIDEO_CLOCK_RATE)

_X264_OPTIONS: Final = {
    # superfast is the knee: ultrafast saves a third of the time for 2.5 times the bytes at a
    # lower quality, veryfast spends half as much again for the same quality (decisions.md).
    "preset": "superfast",
    "crf": "23",
    "tune": "zerolatency",  # no lookahead, no B pictures: one in, one out
    "forced-idr": "1",  # a picture that we ask to be intra is one to start at
}
_VP8_OPTIONS: Final = {
    "deadline": "realtime",
    "cpu-used": "8",
    "crf": "10",
    "lag-in-frames": "0",
    "auto-alt-ref": "0",
}
_VP8_BITS_PER_PIXEL: Final = 0.15  # the ceiling of its constrained quality, at 30 pictures a second

_BT601: Final = 6  # SMPTE 170M in ISO/IEC 23091-2
_LIMITED_RANGE: Final = 1

_FRAME_SAMPLES: Final = OPUS_CLOCK_RATE // 50
_FILL_SAMPLES: Final = OPUS_CLOCK_RATE // 10
_BITRATE_BPS: Final = {1: 64_000, 2: 96_000}


class VideoEncoder:
    """Encodes pictures of any even size, which may change: then the next is a key frame.

    H.264 comes as Annex B with its parameter sets before each key frame. Pictures are turned
    upright first. Without a colour space of their own they are marked as BT.601, limited
    range, which is what WebRTC means by I420; a player would else guess by the size.
    """

    def __init__(self, codec: VideoCodec = Codec.H264) -> None:
        self._codec = codec
        self._context: VideoCodecContext | None = None
        self._size = (0, 0)
        self._last_pts: int | None = None
        self._key_pts = 0

    def encode(self, frame: VideoFrame, *, force_key: bool = False) -> list[EncodedFrame]:
        """Encode one picture.

        A picture that isn't later than the one before is given the next tick. With
        ``force_key`` it is one that decoding can start at.
        """
        i420 = _upright(frame)
        size = (i420.shape[1], i420.shape[0] * 2 // 3)
        if self._context is None or size != self._size:
            self._context = self._open(*size)
            self._size = size
            force_key = True
        pts = frame.pts if self._last_pts is None else max(frame.pts, self._last_pts + 1)
        self._last_pts = pts
        picture = _wrapped(i420)
        picture.pts = pts
        picture.time_base = Fraction(1, VIDEO_CLOCK_RATE)
        if force_key or pts - self._key_pts >= _KEY_INTERVAL_TICKS:
            picture.pict_type = PictureType.I
        encoded = []
        for packet in self._context.encode(picture):
            if packet.is_keyframe:
                self._key_pts = pts
            encoded.append(
                EncodedFrame(
                    bytes(packet),
                    self._codec,
                    pts,
                    VIDEO_CLOCK_RATE,
                    key=packet.is_keyframe,
                    width=size[0],
                    height=size[1],
                )
            )
        return encoded

    def _open(self, width: int, height: int) -> VideoCodecContext:
        context = (
            VideoCodecContext.create("libx264", "w")
            if self._codec is Codec.H264
            else VideoCodecContext.create("libvpx", "w")
        )
        context.width = width
        context.height = height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, VIDEO_CLOCK_RATE)
        context.framerate = Fraction(30)
        context.thread_count = 1  # the recordings of a room share the cores; frames don't wait
        context.max_b_frames = 0
        context.gop_size = 10_000  # we say when, in seconds
        context.colorspace = _BT601
        context.color_primaries = _BT601
        context.color_trc = _BT601
        context.color_range = _LIMITED_RANGE
        if self._codec is Codec.H264:
            context.options = dict(_X264_OPTIONS)
        else:
            context.options = dict(_VP8_OPTIONS)
            context.bit_rate = int(width * height * 30 * _VP8_BITS_PER_PIXEL)
        return context


def _wrapped(i420: NDArray[np.uint8]) -> av.VideoFrame:
    """Return the planes as PyAV has them, without a copy where that works.

    PyAV 18 takes the height to be a multiple of four and else finds the chroma in wrong places.
    """
    if i420.shape[0] % 6 == 0:
        return av.VideoFrame.from_numpy_buffer(i420, format="yuv420p")
    return av.VideoFrame.from_ndarray(i420, format="yuv420p")


def _upright(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return the planes as a viewer sees them, contiguous."""
    if frame.rotation % 360 == 0:
        return np.ascontiguousarray(frame.i420)
    turns = -(frame.rotation // 90)  # numpy counts counter-clockwise
    width, height = frame.width, frame.height
    flat = np.ascontiguousarray(frame.i420).reshape(-1)
    luma, chroma = width * height, (width // 2) * (height // 2)
    planes = (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(height // 2, width // 2),
        flat[luma + chroma :].reshape(height // 2, width // 2),
    )
    turned = np.concatenate([np.rot90(plane, turns).reshape(-1) for plane in planes])
    return turned.reshape(-1, height if turns % 2 else width)


class AudioEncoder:
    """Encodes 48 kHz sound of any block length as Opus packets of 20 ms.

    A packet's pts is that of its first sample *as decoded*, that is, ahead of the sound that
    went in by the encoder's delay (:attr:`pre_skip`), which containers know how to undo.

    Attributes:
        pre_skip: In samples.
        dropped_samples: Those whose time had been encoded before.
    """

    def __init__(self, channels: int = 1, *, bitrate_bps: int | None = None) -> None:
        """Encode ``channels`` (1 or 2); input with another number is mixed to it."""
        self._channels = channels
        self._context = _open_opus(channels, bitrate_bps or _BITRATE_BPS[channels])
        (self.pre_skip,) = struct.unpack_from("<H", self._context.extradata or b"", 10)
        self.dropped_samples = 0
        self._pending = np.empty((0, channels), np.int16)
        self._pts: int | None = None  # of the first pending sample, or the next to come
        self._running = False

    def encode(self, frame: AudioFrame) -> list[EncodedFrame]:
        """Encode what is complete.

        A hole of up to 0.1 s before ``frame`` is filled with silence, a longer one is left
        open. Samples for a time that has been encoded are dropped and counted.

        Raises:
            ValueError: The rate isn't 48 kHz.
        """
        if frame.sample_rate != OPUS_CLOCK_RATE:
            msg = f"Opus is encoded from {OPUS_CLOCK_RATE} Hz, not from {frame.sample_rate} Hz"
            raise ValueError(msg)
        samples = _mixed(frame.samples, self._channels)
        encoded: list[EncodedFrame] = []
        if self._pts is None:
            self._pts = frame.pts
        hole = frame.pts - (self._pts + len(self._pending))
        if hole > _FILL_SAMPLES or (hole > 0 and not self._running):
            encoded += self.close()
            self._pts = frame.pts
        elif hole > 0:
            silence = np.zeros((hole, self._channels), np.int16)
            samples = np.concatenate([silence, samples])
        elif hole < 0:
            self.dropped_samples += min(-hole, len(samples))
            samples = samples[-hole:]
        self._running = True
        self._pending = np.concatenate([self._pending, samples])
        return encoded + self._encode_whole_frames()

    def close(self) -> list[EncodedFrame]:
        """Encode the rest, with silence to its last packet's end. May be called in between."""
        if not self._running:
            return []
        self._running = False
        needed = len(self._pending) + self.pre_skip  # the decoder is late by that
        whole = -(-needed // _FRAME_SAMPLES) * _FRAME_SAMPLES
        silence = np.zeros((whole - len(self._pending), self._channels), np.int16)
        self._pending = np.concatenate([self._pending, silence])
        return self._encode_whole_frames()

    def _encode_whole_frames(self) -> list[EncodedFrame]:
        if self._pts is None:
            return []
        encoded = []
        while len(self._pending) >= _FRAME_SAMPLES:
            block = self._pending[:_FRAME_SAMPLES].reshape(1, -1)
            self._pending = self._pending[_FRAME_SAMPLES:]
            sound = av.AudioFrame.from_ndarray(block, "s16", _layout(self._channels))
            sound.sample_rate = OPUS_CLOCK_RATE
            sound.pts = None  # its own count would stumble over a hole
            pts = self._pts - self.pre_skip
            self._pts += _FRAME_SAMPLES
            for packet in self._context.encode(sound):
                encoded.append(
                    EncodedFrame(
                        bytes(packet),
                        Codec.OPUS,
                        pts,
                        OPUS_CLOCK_RATE,
                        key=True,
                        duration=_FRAME_SAMPLES,
                    )
                )
        return encoded


def _open_opus(channels: int, bitrate_bps: int) -> AudioCodecContext:
    context = AudioCodecContext.create("libopus", "w")
    context.sample_rate = OPUS_CLOCK_RATE
    context.layout = _layout(channels)
    context.format = "s16"
    context.bit_rate = bitrate_bps
    context.time_base = Fraction(1, OPUS_CLOCK_RATE)
    context.options = {"application": "audio", "frame_duration": "20"}
    context.open()
    return context


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"


def _mixed(samples: NDArray[np.int16], channels: int) -> NDArray[np.int16]:
    """Return ``samples`` with as many channels as asked for: one to both, or the mean."""
    if samples.shape[1] == channels:
        return samples
    mono = samples.mean(axis=1, keepdims=True).astype(np.int16)
    return np.repeat(mono, channels, axis=1)
