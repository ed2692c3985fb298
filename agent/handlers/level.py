"""How loud a track is."""

import numpy as np

from agent.media import AudioFrame

SILENCE_DBOV = -127.0
"""The lowest level that the RTP header extension can carry (RFC 6464)."""


def level_dbov(frame: AudioFrame) -> float:
    """Return the frame's RMS level in dBov: 0 for a full-scale square wave.

    Silence, and a frame without samples, is :data:`SILENCE_DBOV`.
    """
    if not frame.samples.size:
        return SILENCE_DBOV
    rms = float(np.sqrt(np.mean(np.square(frame.samples, dtype=np.float64)))) / 32767
    return max(SILENCE_DBOV, 20 * float(np.log10(rms))) if rms else SILENCE_DBOV
