"""Imports at the speed that the start of a robot needs."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Import in this block: what is made there stays, and the collector need not look through it, now or later.

    Looking takes a tenth of the time of our imports; each full collection later would take as long again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
