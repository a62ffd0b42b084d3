"""Freed memory that C's allocator has not returned to the system."""

from __future__ import annotations

import contextlib
import ctypes


def give_back() -> None:
    """Return freed memory to the system, where the C library can (glibc: malloc_trim(3)). Takes milliseconds.

    Pictures and encoders leave tens of MB behind, which other programs of a small Pi could use.
    """
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
