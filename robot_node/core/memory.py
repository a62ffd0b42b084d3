"""Memory that C's allocator keeps for the next time, although it was freed."""

from __future__ import annotations

import contextlib
import ctypes


def give_back() -> None:
    """Give freed memory back to the system, where the C library can (glibc: malloc_trim(3)). Takes milliseconds.

    Pictures and encoders leave tens of MB behind, which other programs of a small Pi could use.
    """
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
