"""Reloads the log settings on SIGHUP: ``systemctl reload robot-node``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from robot_node.errors import SettingsError
from robot_node.logs.categories import levels
from robot_node.logs.setup import configure_logging
from robot_node.settings.logs import LogSettings

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def reloaded_on_hangup(load: Callable[[], LogSettings]) -> AsyncIterator[None]:
    """Within the block, reload the log settings on SIGHUP. Does nothing if the process has a terminal.

    Args:
        load: Reads the settings, in a thread. A SettingsError is logged, and the settings stay unchanged.
    """
    if _has_terminal():  # there SIGHUP means that the terminal was closed: the robot must stop
        yield
        return
    loop = asyncio.get_running_loop()
    requested = asyncio.Event()
    # Not add_signal_handler: it would undo the watch of limited_shutdown.
    before = signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(requested.set))
    task = asyncio.create_task(_reload_on_request(requested, load), name="log settings")
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        task.cancel()
        await asyncio.wait({task})


async def _reload_on_request(requested: asyncio.Event, load: Callable[[], LogSettings]) -> None:
    while True:
        await requested.wait()
        requested.clear()
        try:
            settings = await asyncio.to_thread(load)
            configure_logging(settings)
        except SettingsError as error:
            logger.error("Log settings not reloaded. %s", error)
            continue
        except Exception:  # a bug must not end the handling of the next signal
            logger.exception("Log settings not reloaded")
            continue
        current = ", ".join(f"{category} {level}" for category, level in levels().items())
        # A warning, so that the log shows why its level changes here.
        logger.warning("Log settings reloaded; levels: %s. Other settings need a restart.", current)


def _has_terminal() -> bool:
    try:
        with Path("/dev/tty").open("rb"):
            return True
    except OSError:
        return False
