"""Frames and media time: the words every other module speaks.

A frame's ``pts`` counts ticks from a zero that all tracks of one timeline share. A source's
timeline starts at 0 when it starts. Frames received from a room lie on the timeline of
:class:`~agent.clock.LoopClock`, so that tracks of one room compare with each other and
with the events of the room.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

VIDEO_CLOCK_RATE = 90_000
"""RTP clock of every video payload, in Hz (RFC 3551, section 5)."""

OPUS_CLOCK_RATE = 48_000
"""RTP clock of Opus whatever the rate of its input, in Hz (RFC 7587, section 4.1)."""


class Kind(StrEnum):
    """What a track carries."""

    AUDIO = "audio"
    VIDEO = "video"


class Codec(StrEnum):
    """How an encoded frame is encoded; the names are those of PyAV's decoders."""

    OPUS = "opus"
    VP8 = "vp8"
    VP9 = "vp9"
    AV1 = "av1"
    H264 = "h264"
    H265 = "hevc"

    @property
    def kind(self) -> Kind:
        """What it encodes."""
        return Kind.AUDIO if self is Codec.OPUS else Kind.VIDEO


@dataclass(frozen=True, slots=True, eq=False)
class AudioFrame:
    """A run of PCM samples and its place on the timeline.

    Attributes:
        samples: ``int16``, shape ``(n, channels)``, full scale ±32767.
        sample_rate: In Hz.
        pts: Number of samples between the timeline's zero and the first one here.
    """

    samples: NDArray[np.int16]
    sample_rate: int
    pts: int

    @property
    def time(self) -> Fraction:
        """Start of the frame, in seconds of media time."""
        return Fraction(self.pts, self.sample_rate)

    @property
    def duration(self) -> Fraction:
        """In seconds."""
        return Fraction(len(self.samples), self.sample_rate)

    @property
    def nbytes(self) -> int:
        """Memory the samples take."""
        return self.samples.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture and its place on the timeline.

    Attributes:
        i420: ``uint8``, shape ``(height * 3 // 2, width)``: the planes Y, U, V stacked,
            as PyAV's ``yuv420p`` arrays are. Width and height are even.
        pts: In ticks of :data:`VIDEO_CLOCK_RATE`.
        rotation: Degrees clockwise by which a viewer turns the picture: 0, 90, 180 or 270.
    """

    i420: NDArray[np.uint8]
    pts: int
    rotation: int = 0

    @property
    def width(self) -> int:
        """In pixels, before any rotation."""
        return int(self.i420.shape[1])

    @property
    def height(self) -> int:
        """In pixels, before any rotation."""
        return int(self.i420.shape[0]) * 2 // 3

    @property
    def time(self) -> Fraction:
        """In seconds of media time."""
        return Fraction(self.pts, VIDEO_CLOCK_RATE)

    @property
    def nbytes(self) -> int:
        """Memory the planes take."""
        return self.i420.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """One access unit (video) or packet (audio) as it travels, and its place on the timeline.

    Attributes:
        data: H.264 and H.265 as an Annex B byte stream, parameter sets before each key
            frame; AV1 as OBUs with size fields; the others as RTP carries them.
        pts: In ticks of ``clock_rate``.
        clock_rate: In Hz.
        key: Whether decoding can start here. Always so for Opus.
        width: In pixels, as the bitstream says; 0 where it doesn't, and for audio.
        height: Likewise.
        duration: In ticks; 0 where only the next frame tells.
        lost_before: Packets missing between the frame before and this one.
    """

    data: bytes
    codec: Codec
    pts: int
    clock_rate: int
    key: bool
    width: int = 0
    height: int = 0
    duration: int = 0
    lost_before: int = 0

    @property
    def time(self) -> Fraction:
        """In seconds of media time."""
        return Fraction(self.pts, self.clock_rate)

    @property
    def nbytes(self) -> int:
        """Memory the data takes."""
        return len(self.data)


Frame = AudioFrame | VideoFrame | EncodedFrame
