"""From what a decoder gives to what is published: I420 that stands upright, 48 kHz sound."""

from fractions import Fraction

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from agent.media import AudioFrame

SAMPLE_RATE = 48_000
BLOCK_SAMPLES = 960

MAX_SILENCE_S = 1
"""A gap in the sound up to this is filled; after a longer one the next frame says when it is."""

_LIMITED_RANGE = 1
"""libav's ``AVCOL_RANGE_MPEG``: black is 16, as in every picture that we hand on."""


class PictureConverter:
    """Turns decoded pictures of any format, shape and rotation into I420."""

    def __init__(self, pixel_aspect: Fraction, max_height: int | None) -> None:
        """Convert pictures whose pixels are ``pixel_aspect`` times as wide as high.

        Args:
            pixel_aspect: 0 where the file doesn't tell.
            max_height: Higher ones, as a viewer sees them, are scaled down to this.
        """
        self._pixel_aspect = pixel_aspect or Fraction(1)
        self._max_height = max_height
        self._reformatter = VideoReformatter()

    def convert(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Return the picture, shape ``(height * 3 // 2, width)``; the array is the caller's.

        An odd last row or column is left out. The picture stands as a viewer is to see it.
        """
        quarter_turns = round(frame.rotation / 90) % 4
        width, height = self._size(frame.width, frame.height, sideways=quarter_turns % 2 == 1)
        as_it_is = (width, height) == (frame.width // 2 * 2, frame.height // 2 * 2)
        if not as_it_is or frame.format.name != "yuv420p" or frame.color_range > _LIMITED_RANGE:
            frame = self._reformatter.reformat(
                frame,
                frame.width if as_it_is else width,
                frame.height if as_it_is else height,
                "yuv420p",
                interpolation=Interpolation.AREA
                if height < frame.height
                else Interpolation.BICUBIC,
                dst_color_range=_LIMITED_RANGE,
                threads=1,
            )
        if quarter_turns % 2:
            return _stacked(frame, height, width, quarter_turns)
        return _stacked(frame, width, height, quarter_turns)

    def _size(self, width: int, height: int, *, sideways: bool) -> tuple[int, int]:
        """Return the size, before any rotation, that a picture is to have."""
        wide, high = Fraction(width), Fraction(height)
        if self._pixel_aspect > 1:
            wide *= self._pixel_aspect
        else:
            high /= self._pixel_aspect
        seen_height = wide if sideways else high
        if self._max_height is not None and seen_height > self._max_height:
            wide, high = (side * self._max_height / seen_height for side in (wide, high))
        return _even(wide), _even(high)


def _even(side: Fraction) -> int:
    """Return ``side`` rounded down if it is whole, else to the nearest, to an even number."""
    whole = int(side) if side.denominator == 1 else round(side / 2) * 2
    return max(2, whole // 2 * 2)


def _stacked(
    frame: av.VideoFrame, width: int, height: int, quarter_turns: int
) -> NDArray[np.uint8]:
    """Copy the planes of a ``yuv420p`` picture, turned anticlockwise, to ``width`` x ``height``."""
    i420 = np.empty((height * 3 // 2, width), np.uint8)
    flat = i420.reshape(-1)
    start = 0
    for plane, share in zip(frame.planes, (1, 2, 2), strict=True):
        columns, rows = width // share, height // share
        target = flat[start : start + columns * rows].reshape(rows, columns)
        stored = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        taken = (columns, rows) if quarter_turns % 2 else (rows, columns)
        target[:] = np.rot90(stored[: taken[0], : taken[1]], quarter_turns)
        start += columns * rows
    return i420


class SoundConverter:
    """Turns decoded sound of any format, rate and layout into runs of 48 kHz samples.

    A run is one stretch without a gap. Within it, where samples lie follows from their number;
    the times in the file, which are often rounded, only decide where a run starts.
    """

    _TOLERANCE = Fraction(3, 100)
    """How far, in seconds, a frame may be from where its run has got to. Above what containers
    round to, below what an ear or a lip notices."""

    def __init__(self, channels: int) -> None:
        """Convert to ``channels``, 1 or 2: more are mixed down, fewer copied."""
        self._channels = channels
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self._start = self._end = Fraction(0)
        self._given = 0

    def convert(self, frame: av.AudioFrame, time: Fraction | None) -> list["Placed"]:
        """Return what can be given out once ``frame`` is known, each run with its place.

        Args:
            frame: The next one of the stream.
            time: Where the file says it starts, in seconds; ``None`` if it doesn't.
        """
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        placed = []
        gap = time is not None and abs(time - self._end) > self._TOLERANCE
        if self._resampler is None or form != self._form or gap:
            placed = self.finish()
            self._form = form
            layout = "mono" if self._channels == 1 else "stereo"
            self._resampler = AudioResampler("s16", layout, SAMPLE_RATE)
            self._start = self._end = self._end if time is None else time
            self._given = 0
        self._end += Fraction(frame.samples, frame.sample_rate)
        # Times that jump would make the resampler add or leave out samples by itself.
        frame.pts = None
        return placed + self._place(self._resampler.resample(frame))

    def finish(self) -> list["Placed"]:
        """Return what was still held back of the present run."""
        resampler, self._resampler = self._resampler, None
        return self._place(resampler.resample(None)) if resampler else []

    def _place(self, frames: list[av.AudioFrame]) -> list["Placed"]:
        placed = []
        for frame in frames:
            samples = frame.to_ndarray().reshape(-1, self._channels).astype(np.int16, copy=False)
            placed.append((round(self._start * SAMPLE_RATE) + self._given, samples))
            self._given += len(samples)
        return placed


Placed = tuple[int, NDArray[np.int16]]
"""The index of the first sample on the timeline, and samples, shape ``(n, channels)``."""


class BlockCutter:
    """Cuts sound that comes in pieces of any length, with small gaps, into even blocks.

    Attributes:
        end: Index of the sample after the last that was placed.
    """

    def __init__(self, channels: int) -> None:
        self.end = 0
        self._channels = channels
        self._held: list[NDArray[np.int16]] = []
        self._held_samples = 0

    def place(self, index: int, samples: NDArray[np.int16]) -> list[AudioFrame]:
        """Add samples that belong at ``index``; return the blocks that are full now.

        What would lie before :attr:`end` is cut off: the first that came stays.
        """
        samples = samples[max(0, self.end - index) :]
        if not len(samples):
            return []
        gap = max(0, index - self.end)
        blocks = []
        if gap > MAX_SILENCE_S * SAMPLE_RATE:
            blocks = self.flush()
            self.end = index
        elif gap:
            blocks = self._hold(np.zeros((gap, self._channels), np.int16))
        return blocks + self._hold(samples)

    def flush(self) -> list[AudioFrame]:
        """Return what is left as a block that is shorter than the others."""
        held = self._take_held()
        return [AudioFrame(held, SAMPLE_RATE, self.end - len(held))] if len(held) else []

    def _hold(self, samples: NDArray[np.int16]) -> list[AudioFrame]:
        self._held.append(samples)
        self._held_samples += len(samples)
        self.end += len(samples)
        if self._held_samples < BLOCK_SAMPLES:
            return []
        held = self._take_held()
        first = self.end - len(held)
        whole = len(held) // BLOCK_SAMPLES * BLOCK_SAMPLES
        self._held = [held[whole:]]
        self._held_samples = len(held) - whole
        return [
            AudioFrame(held[start : start + BLOCK_SAMPLES], SAMPLE_RATE, first + start)
            for start in range(0, whole, BLOCK_SAMPLES)
        ]

    def _take_held(self) -> NDArray[np.int16]:
        held, self._held, self._held_samples = self._held, [], 0
        return np.concatenate(held) if held else np.zeros((0, self._channels), np.int16)
