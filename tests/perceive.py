"""Look at a recorded file and listen to it: what is really there, not what its header says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from agent.handlers.beep_reader import beep_onsets
from agent.handlers.pattern_reader import PatternReading, read_pattern
from agent.recording.skew import Skew, measure_skew

RATE: Final = 48_000

THUMBNAIL: Final = (64, 36)
"""Small enough to compare thousands; blocks and noise of an encoder average out in it."""

_JUMP_S: Final = 0.005
"""Blocks whose time is off by less follow each other: containers round to a millisecond."""

_SILENCE_LEVEL: Final = 0.001
"""RMS, of full scale: -60 dBov; Opus makes of digital silence something far below."""

_LEVEL_S: Final = 0.01
_BEEP_CHUNK_S: Final = 60
_BEEP_OVERLAP_S: Final = 1


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file, in seconds of it."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as shown.

    Attributes:
        reading: What the test pattern in it says; ``None`` if it isn't one.
        colour: Mean Y, U, V.
        thumbnail: I420 of the size :data:`THUMBNAIL`, as float.
    """

    time_s: float
    width: int
    height: int
    reading: PatternReading | None
    colour: tuple[float, float, float]
    thumbnail: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """All sound, mono, at :data:`RATE`; sample ``n`` is heard at ``start_s + n / RATE``.

    Attributes:
        channels: As they were in the file.
        holes: Where the file has none; zeros here.
    """

    start_s: float
    samples: NDArray[np.float32]
    channels: int
    holes: tuple[Span, ...]

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / RATE

    def beeps(self) -> list[float]:
        """Return when each beep of the test tone begins, exact to less than a millisecond."""
        found: list[float] = []
        step, overlap = _BEEP_CHUNK_S * RATE, _BEEP_OVERLAP_S * RATE
        for at in range(0, max(1, len(self.samples)), step):
            chunk = np.asarray(self.samples[at : at + step + overlap] * 32767, np.int16)
            onsets = (self.start_s + at / RATE + onset for onset in beep_onsets(chunk, RATE))
            found += [onset for onset in onsets if not found or onset - found[-1] > 0.01]
        return found

    def levels(self) -> NDArray[np.float32]:
        """Return the RMS level of each 10 ms, 0 to 1."""
        block = round(_LEVEL_S * RATE)
        whole = self.samples[: len(self.samples) // block * block].reshape(-1, block)
        return np.asarray(np.sqrt(np.square(whole).mean(axis=1)), np.float32)

    def silences(self, *, min_s: float = 0.05) -> list[Span]:
        """Return the stretches in which nothing is heard, exact to 10 ms."""
        quiet = np.concatenate([[False], self.levels() < _SILENCE_LEVEL, [False]])
        changes = np.flatnonzero(quiet[1:] != quiet[:-1]).reshape(-1, 2)
        spans = [
            Span(self.start_s + start * _LEVEL_S, self.start_s + end * _LEVEL_S)
            for start, end in changes
        ]
        return [span for span in spans if span.duration_s >= min_s]

    def pitch_hz(self, span: Span) -> float:
        """Return the strongest frequency in a stretch."""
        start, end = (round((time - self.start_s) * RATE) for time in (span.start_s, span.end_s))
        part = self.samples[start:end] * np.hanning(end - start)
        spectrum = np.abs(np.fft.rfft(part))
        return float(np.argmax(spectrum) * RATE / len(part))


@dataclass(frozen=True, slots=True, eq=False)
class Perception:
    """What a file shows and plays.

    Attributes:
        sound: ``None`` if it has none.
    """

    path: Path
    pictures: list[Picture] = field(default_factory=list)
    sound: Sound | None = None

    def numbers(self) -> list[int]:
        """Return the number of each picture that has one, in order."""
        return [picture.reading.number for picture in self.pictures if picture.reading]

    def source_ids(self) -> set[int]:
        """Return whose patterns are seen."""
        return {picture.reading.source_id for picture in self.pictures if picture.reading}

    def flashes(self) -> list[float]:
        """Return when each flash begins: the first lit picture after one that isn't."""
        onsets, lit = [], True  # a flash that was there from the start began before
        for picture in self.pictures:
            if picture.reading is None:
                continue
            if picture.reading.flash and not lit:
                onsets.append(picture.time_s)
            lit = picture.reading.flash
        return onsets

    def skew(self) -> Skew | None:
        """Return how far the sound lies behind the pictures."""
        return measure_skew(self.flashes(), self.sound.beeps() if self.sound else [])

    def share_of_numbers(self) -> float:
        """Return how many of the pictures between the first and the last number are there."""
        numbers = self.numbers()
        if not numbers:
            return 0.0
        return len(set(numbers)) / (max(numbers) - min(numbers) + 1)

    def repeated_numbers(self) -> list[int]:
        """Return the numbers that were seen before, each time they are."""
        seen: set[int] = set()
        repeated = []
        for number in self.numbers():
            if number in seen:
                repeated.append(number)
            seen.add(number)
        return repeated


def perceive(path: Path) -> Perception:
    """Decode all of a file."""
    with av.open(str(path)) as container:
        shown = container.decode(video=0) if container.streams.video else ()
        pictures = [_look(picture) for picture in shown]
    return Perception(path, pictures, listen(path))


def listen(path: Path) -> Sound | None:
    """Decode the sound of a file."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        channels = container.streams.audio[0].channels
        return _assembled(list(_blocks(container)), channels)


def _look(picture: av.VideoFrame) -> Picture:
    i420 = np.asarray(picture.to_ndarray(format="yuv420p"), np.uint8)
    small = picture.reformat(*THUMBNAIL, format="yuv420p", interpolation="AREA")
    thumbnail = np.asarray(small.to_ndarray(), np.float32)
    return Picture(
        picture.time,
        picture.width,
        picture.height,
        read_pattern(i420),
        _means(thumbnail),
        thumbnail,
    )


def _means(i420: NDArray[np.float32]) -> tuple[float, float, float]:
    height = i420.shape[0] * 2 // 3
    blue, red = i420[height:].reshape(2, -1)
    return float(i420[:height].mean()), float(blue.mean()), float(red.mean())


def _blocks(container: av.container.InputContainer) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield each block of sound and when it begins, mixed to mono."""
    # In floats, libswresample mixes 5.1 to mono without making room: 10 dB too loud.
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    for block in container.decode(audio=0):
        begins = block.time
        block.pts = None  # the resampler would fill holes in its own way
        mixed = [out.to_ndarray().reshape(-1) for out in resampler.resample(block)]
        if mixed and begins is not None:
            yield begins, np.concatenate(mixed).astype(np.float32) / np.float32(32768)


def _assembled(blocks: list[tuple[float, NDArray[np.float32]]], channels: int) -> Sound | None:
    """Put blocks in their places: one after the other unless their times say otherwise."""
    if not blocks:
        return None
    start_s = blocks[0][0]
    pieces: list[NDArray[np.float32]] = []
    holes = []
    length = 0
    for begins, samples in blocks:
        late = begins - start_s - length / RATE
        if late > _JUMP_S:
            holes.append(Span(start_s + length / RATE, begins))
            pieces.append(np.zeros(round(late * RATE), np.float32))
            length += len(pieces[-1])
        pieces.append(samples)
        length += len(samples)
    return Sound(start_s, np.concatenate(pieces), channels, tuple(holes))
