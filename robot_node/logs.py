"""Logging of the daemon and of the commands: to stderr, one line a record."""

from __future__ import annotations

import logging
import os
import sys

# Libraries that tell at INFO or WARNING what we already tell in our own words.
_QUIET = ("aioice", "aiortc", "libav", "mcp", "PIL", "picamera2")


def configure_logging(level: str) -> None:
    """Send everything from ``level`` up to stderr.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    # journald stamps each line itself (systemd.exec(5), $JOURNAL_STREAM)
    stamp = "" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s "
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(stamp + "%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
