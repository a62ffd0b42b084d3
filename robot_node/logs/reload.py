"""SIGHUP makes a service read its log settings again: ``systemctl reload robot-node``."""

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
    """For as long as the block lasts, SIGHUP sets the log up anew. Does nothing where there is a terminal.

    Args:
        load: Reads the settings; called in a thread. What it raises as a SettingsError is logged, and nothing changes.
    """
    if _has_terminal():  # there the signal says that somebody closed it, and the robot has to go
        yield
        return
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    task = asyncio.create_task(_reload_whenever(asked, load), name="log settings")
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        task.cancel()
        await asyncio.wait({task})


async def _reload_whenever(asked: asyncio.Event, load: Callable[[], LogSettings]) -> None:
    while True:
        await asked.wait()
        asked.clear()
        try:
            settings = await asyncio.to_thread(load)
            configure_logging(settings)
        except SettingsError as error:
            logger.error("The log stays as it is. %s", error)
            continue
        except Exception:  # a mistake of ours must not make the next signal go unheard
            logger.exception("The log stays as it is: its settings could not be read again")
            continue
        now = ", ".join(f"{category} {level}" for category, level in levels().items())
        # A warning, so that the log itself tells why it says more or less from here on.
        logger.warning("The log settings were read again; levels: %s. Other settings need a restart.", now)


def _has_terminal() -> bool:
    try:
        with Path("/dev/tty").open("rb"):
            return True
    except OSError:
        return False
