import numpy as np
import pytest

from agent.handlers.level import SILENCE_DBOV, level_dbov
from agent.media import AudioFrame
from agent.tracks.tone import Tone


@pytest.mark.parametrize(
    ("amplitude", "dbov"),
    [(32767, 0.0), (3277, -20.0), (0, SILENCE_DBOV)],
    ids=["full scale", "a tenth", "silence"],
)
def test_level_of_a_square_wave(amplitude: int, dbov: float) -> None:
    samples = np.tile(np.array([[amplitude], [-amplitude]], np.int16), (480, 1))

    assert level_dbov(AudioFrame(samples, 48_000, 0)) == pytest.approx(dbov, abs=0.01)


def test_a_sine_is_three_decibels_below_the_square_wave_of_its_amplitude() -> None:
    assert level_dbov(Tone(amplitude=1.0).frame(7)) == pytest.approx(-3.01, abs=0.1)


def test_a_frame_without_samples_is_silent() -> None:
    assert level_dbov(AudioFrame(np.empty((0, 2), np.int16), 48_000, 0)) == SILENCE_DBOV
