"""Fast imports at the start of a robot."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Disable the garbage collector while importing in this block, and freeze the imported objects.

    Looking takes a tenth of the time of our imports; each full collection later would take as long again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
