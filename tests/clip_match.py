"""Whether a recording shows and plays a clip that somebody published, maybe in a loop.

Nothing is assumed about where the clip began or how it was looped: each picture and each half
second of sound is looked up in the clip, and has then to be like it, in order, and together.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from tests.perceive import RATE, THUMBNAIL, Perception, perceive

MIN_PICTURE_PSNR_DB: Final = 30.0
"""In the thumbnails, of 19 pictures in 20. Scaled to 320x180, sent as VP8 at 150 kb/s and
encoded again, a film clip has 40; shifted by a fortieth, 21; in grey, 21; mirrored, 12."""

MIN_SSIM: Final = 0.93
"""Median, of 8x8 blocks of the thumbnails: 0.997 and 0.62, 0.999, 0.05 in the same cases."""

MAX_CONTRAST_CHANGE: Final = 0.06
"""Studio range taken for full range, or the reverse, is 0.14."""

MIN_CORRELATION: Final = 0.7
"""Median, of sound below 4 kHz: 0.84 after Opus for speech at 24 kb/s, 0.91 at 32 kb/s; the
likest places of the same clip played backwards reach 0.42."""

MIN_PICTURES_IN_ORDER: Final = 0.85
"""A clip of 5 s that is looped jumps once in 5 s, and a scene that stands still can't be told
from itself; played backwards 0.06 are in order."""

MIN_SOUND_IN_ORDER: Final = 0.75
"""Where a clip of 5 s is looped, one in ten stretches is of two places; another is lost where a
jitter buffer stretched time. Other sound has none in order."""

MAX_SKEW_S: Final = 0.06
MAX_GAIN_DB: Final = 9.0
"""Down-mixing 5.1 to fewer channels is done with several sets of weights."""

_LISTEN_RATE: Final = 8000
_WINDOW_S: Final = 0.5
_MIN_RMS: Final = 0.001
_CHROMA_AT: Final = THUMBNAIL[0] * THUMBNAIL[1]


@dataclass(frozen=True, slots=True)
class ClipMatch:
    """How like the clip a recording is.

    Attributes:
        picture_psnr_db: What 95 % of the pictures reach.
        colour_psnr_db: The same of their colours alone.
        ssim: Median.
        contrast: Median, 1 being that of the clip.
        pictures_in_order: Share of the pictures that follow the one before as in the clip.
        correlation: Median of the stretches of sound; 0 if there is none.
        sound_in_order: Share of the stretches that follow the one before as in the clip.
        gain_db: By how much the recording is louder.
        skew_s: How far the sound lies behind the pictures; not a number if that can't be told.
    """

    picture_psnr_db: float
    colour_psnr_db: float
    ssim: float
    contrast: float
    pictures_in_order: float
    correlation: float
    sound_in_order: float
    gain_db: float
    skew_s: float

    def faults(self) -> list[str]:
        """Return what isn't as it was published, in words; nothing if all is."""
        picture_psnr = min(self.picture_psnr_db, self.colour_psnr_db)
        checks = {
            f"pictures differ: {picture_psnr:.1f} dB": picture_psnr >= MIN_PICTURE_PSNR_DB,
            f"structure differs: SSIM {self.ssim:.3f}": self.ssim >= MIN_SSIM,
            f"contrast differs by a factor of {self.contrast:.2f}": (
                abs(self.contrast - 1) <= MAX_CONTRAST_CHANGE
            ),
            f"only {self.pictures_in_order:.0%} of the pictures are in order": (
                self.pictures_in_order >= MIN_PICTURES_IN_ORDER
            ),
            f"sound differs: correlation {self.correlation:.2f}": (
                self.correlation >= MIN_CORRELATION
            ),
            f"only {self.sound_in_order:.0%} of the sound is in order": (
                self.sound_in_order >= MIN_SOUND_IN_ORDER
            ),
            f"loudness differs by {self.gain_db:.1f} dB": abs(self.gain_db) <= MAX_GAIN_DB,
            f"sound lies {self.skew_s:.3f} s behind the pictures": abs(self.skew_s) <= MAX_SKEW_S,
        }
        return [fault for fault, fine in checks.items() if not fine]


def compare_with_clip(recording: Path | Perception, clip: Path | Perception) -> ClipMatch:
    """Look up all of a recording in a clip. Either may have been perceived before."""
    recorded = perceive(recording) if isinstance(recording, Path) else recording
    published = perceive(clip) if isinstance(clip, Path) else clip
    seen = _see(recorded, published)
    heard = _hear(recorded, published)
    return ClipMatch(
        picture_psnr_db=seen.psnr_db,
        colour_psnr_db=seen.colour_psnr_db,
        ssim=seen.ssim,
        contrast=seen.contrast,
        pictures_in_order=_share_in_order(seen.times, seen.places, 1.5 * seen.clip_step_s),
        correlation=float(np.median(heard.correlations)) if len(heard.times) else 0.0,
        sound_in_order=_share_in_order(heard.times, heard.places, 0.02),
        gain_db=float(np.median(heard.gains_db)) if len(heard.times) else -np.inf,
        skew_s=_skew(seen, heard),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Pictures at ``times`` are those at ``places`` of the clip; ``telling`` if no other is."""

    times: NDArray[np.float64]
    places: NDArray[np.float64]
    telling: NDArray[np.bool_]
    clip_step_s: float
    psnr_db: float
    colour_psnr_db: float
    ssim: float
    contrast: float


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """Stretches that begin at ``times`` are those at ``places`` of the clip."""

    times: NDArray[np.float64]
    places: NDArray[np.float64]
    correlations: NDArray[np.float64]
    gains_db: NDArray[np.float64]


def _see(recorded: Perception, published: Perception) -> _Seen:
    shown = _thumbnails(recorded)
    clip = _thumbnails(published)
    errors = _mean_squares(shown, clip)
    best = errors.argmin(axis=1)
    clip_times = np.array([picture.time_s for picture in published.pictures])
    rows = np.arange(len(shown))
    before = errors[rows, np.maximum(best - 1, 0)]
    after = errors[rows, np.minimum(best + 1, len(clip) - 1)]
    edge = (best == 0) | (best == len(clip) - 1)
    matched = clip[best]
    colour_errors = np.square(shown[:, _CHROMA_AT:] - matched[:, _CHROMA_AT:]).mean(axis=1)
    return _Seen(
        times=np.array([picture.time_s for picture in recorded.pictures]),
        places=clip_times[best],
        telling=~edge & (np.minimum(before, after) > 2 * errors[rows, best]),
        clip_step_s=float(np.median(np.diff(clip_times))),
        psnr_db=_psnr_db(float(np.percentile(errors[rows, best], 95))),
        colour_psnr_db=_psnr_db(float(np.percentile(colour_errors, 95))),
        contrast=float(np.median(_luma(shown).std(axis=1) / _luma(matched).std(axis=1))),
        ssim=float(np.median([_ssim(a, b) for a, b in zip(shown, matched, strict=True)])),
    )


def _thumbnails(perception: Perception) -> NDArray[np.float32]:
    """Return one row a picture: luma, then both chroma planes."""
    return np.stack([picture.thumbnail.reshape(-1) for picture in perception.pictures])


def _luma(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows[:, :_CHROMA_AT]


def _mean_squares(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean square difference of each row of ``a`` and each of ``b``."""
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    squares = np.square(wide_a).sum(axis=1)[:, np.newaxis] + np.square(wide_b).sum(axis=1)
    difference = (squares - 2 * wide_a @ wide_b.T) / a.shape[1]
    return np.asarray(np.maximum(difference, 1e-3), np.float64)


def _psnr_db(mean_square: float) -> float:
    return float(10 * np.log10(255**2 / max(mean_square, 1e-3)))


def _ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the structural similarity of the luma of two thumbnails, over blocks of 8x8."""
    blocks = []
    for row in (a, b):
        luma = row[:_CHROMA_AT].reshape(THUMBNAIL[1], THUMBNAIL[0])[: THUMBNAIL[1] // 8 * 8]
        tiles = luma.reshape(-1, 8, THUMBNAIL[0] // 8, 8).swapaxes(1, 2)
        blocks.append(tiles.reshape(-1, 64).astype(np.float64))
    x, y = blocks
    mean_x, mean_y = x.mean(axis=1), y.mean(axis=1)
    spread = x.var(axis=1) + y.var(axis=1)
    common = ((x - mean_x[:, np.newaxis]) * (y - mean_y[:, np.newaxis])).mean(axis=1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((light * (2 * common + c2) / (spread + c2)).mean())


def _hear(recorded: Perception, published: Perception) -> _Heard:
    if recorded.sound is None or published.sound is None:
        return _Heard(*(np.zeros(0) for _ in range(4)))
    sound = _reduced(recorded.sound.samples)
    clip = _reduced(published.sound.samples)
    window = round(_WINDOW_S * _LISTEN_RATE)
    energies = np.concatenate([[0.0], np.cumsum(np.square(clip))])
    energies = energies[window:] - energies[:-window]
    size = 1 << (len(clip) + window).bit_length()
    spectrum = np.fft.rfft(clip, size)
    found: list[tuple[float, float, float, float]] = []
    for at in range(0, len(sound) - window, window):
        piece = sound[at : at + window]
        energy = float(np.square(piece).sum())
        if energy < _MIN_RMS**2 * window:
            continue
        products = np.fft.irfft(spectrum * np.conj(np.fft.rfft(piece, size)), size)
        scaled = products[: len(energies)] / np.sqrt(energy * np.maximum(energies, 1e-9))
        scaled[energies < _MIN_RMS**2 * window / 4] = 0
        place = int(scaled.argmax())
        gain_db = float(10 * np.log10(energy / max(energies[place], 1e-9)))
        time_s = recorded.sound.start_s + at / _LISTEN_RATE
        place_s = published.sound.start_s + place / _LISTEN_RATE
        found.append((time_s, place_s, float(scaled[place]), gain_db))
    times, places, correlations, gains = np.array(found).reshape(-1, 4).T
    return _Heard(times, places, correlations, gains)


def _reduced(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return sound below 4 kHz: what every encoder keeps, wave by wave."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=_LISTEN_RATE)
    block = av.AudioFrame.from_ndarray(samples[np.newaxis], "flt", "mono")
    block.sample_rate = RATE
    blocks = [*resampler.resample(block), *resampler.resample(None)]
    return np.concatenate([out.to_ndarray().reshape(-1) for out in blocks]).astype(np.float64)


def _share_in_order(
    times: NDArray[np.float64], places: NDArray[np.float64], tolerance_s: float
) -> float:
    """Return the share of those that lie in the clip as far from a neighbour as in time."""
    if len(times) < 2:
        return 0.0
    fits = np.abs(np.diff(places) - np.diff(times)) <= tolerance_s
    return float((np.append(fits, False) | np.insert(fits, 0, False)).mean())


def _skew(seen: _Seen, heard: _Heard) -> float:
    """Return the median, over pictures that can't be mistaken, of how much earlier a place of
    the clip is heard at that time than it is seen."""
    skews = []
    for time_s, place_s, correlation in zip(
        heard.times, heard.places, heard.correlations, strict=True
    ):
        if correlation < MIN_CORRELATION:
            continue
        together = (seen.times >= time_s) & (seen.times < time_s + _WINDOW_S) & seen.telling
        skews += (seen.places[together] - (place_s + seen.times[together] - time_s)).tolist()
    return float(np.median(skews)) if skews else float("nan")
