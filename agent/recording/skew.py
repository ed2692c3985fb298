"""How far sound lies from its pictures, told by flashes and beeps that began together."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MAX_SKEW_S = 0.45
"""Flashes and beeps come once a second: what is further apart than this may be of different
seconds."""


@dataclass(frozen=True, slots=True)
class Skew:
    """How far sound lies behind its pictures; negative if it comes first.

    Attributes:
        median_ms: Over all pairs.
        p95_ms: What 95 % of the pairs stay within, by magnitude.
        pairs: Number of flashes that have a beep.
        unpaired: Flashes and beeps that lack the other, except before the first and after the
            last time that both could be there.
    """

    median_ms: float
    p95_ms: float
    pairs: int
    unpaired: int


def measure_skew(
    flashes: Sequence[float], beeps: Sequence[float], *, max_skew_s: float = MAX_SKEW_S
) -> Skew | None:
    """Pair each flash with the beep nearest to it; ``None`` if there isn't a single pair.

    Both in seconds of one timeline. A pair is the nearest of each other, at most
    ``max_skew_s`` apart.
    """
    flashes, beeps = sorted(flashes), sorted(beeps)
    pairs = [
        (flash, beep)
        for flash in flashes
        if (beep := _nearest(beeps, flash)) is not None
        and abs(beep - flash) <= max_skew_s
        and _nearest(flashes, beep) == flash
    ]
    if not pairs:
        return None
    skews = [beep - flash for flash, beep in pairs]
    paired_flashes = {flash for flash, _ in pairs}
    paired_beeps = {beep for _, beep in pairs}
    start = max(flashes[0], beeps[0]) - max_skew_s
    end = min(flashes[-1], beeps[-1]) + max_skew_s
    unpaired = sum(start <= flash <= end for flash in flashes if flash not in paired_flashes)
    unpaired += sum(start <= beep <= end for beep in beeps if beep not in paired_beeps)
    return Skew(median(skews) * 1000, p95(skews) * 1000, len(pairs), unpaired)


def p95(values: Sequence[float]) -> float:
    """Return the smallest magnitude that 95 % of the values don't exceed.

    Raises:
        ValueError: There are none.
    """
    if not values:
        raise ValueError("no values have no 95th percentile")
    magnitudes = sorted(abs(value) for value in values)
    return magnitudes[-(-len(magnitudes) * 95 // 100) - 1]


def _nearest(times: Sequence[float], to: float) -> float | None:
    """Return the one of sorted ``times`` that is nearest, the earlier of two."""
    index = bisect_left(times, to)
    around = times[max(0, index - 1) : index + 1]
    return min(around, key=lambda time: abs(time - to), default=None)
