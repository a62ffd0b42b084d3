"""How much memory a process holds."""

from __future__ import annotations

import resource
from pathlib import Path


def resident_bytes() -> int:
    """What the system has given to this process (proc(5), statm), in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
