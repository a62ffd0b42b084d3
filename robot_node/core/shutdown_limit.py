"""A time limit for shutdown, counted from the signal: it holds even if the event loop hangs."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from robot_node.core.threads import NO_THREAD_REMEDY, started

logger = logging.getLogger(__name__)

_LAST_LINE_S = 0.3


@contextlib.contextmanager
def limited_shutdown(
    limit_s: float, signals: Collection[signal.Signals], is_done: Callable[[], bool]
) -> Iterator[None]:
    """Within the block, end the process by force ``limit_s`` seconds after one of these signals, if it still lives.

    The signals must have handlers already. Leaving the block does not stop a limit that runs: threads may hang.
    No thread can do anything while a library holds Python's global lock; then the service manager's limit counts.

    Args:
        limit_s: In seconds.
        signals: Those that start a shutdown.
        is_done: Whether all that had to be closed is closed, so that the exit status is 0; else it is 1.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # Not a handler: those run in the main thread, once it comes back from whatever library call it is in.
    asyncios = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        with reader:
            while number := reader.recv(1):
                with contextlib.suppress(OSError):  # the loop is closed, or has much to read
                    os.write(asyncios, number)
                if number[0] in signals:
                    time.sleep(limit_s)
                    _end(limit_s, is_done=is_done())

    if not started(threading.Thread(target=watch, name="shutdown limit", daemon=True)):
        logger.warning("Shutdown has no time limit: the system permits no further thread. %s", NO_THREAD_REMEDY)
        reader.close()
        signal.set_wakeup_fd(asyncios)
    try:
        yield
    finally:
        signal.set_wakeup_fd(asyncios)
        writer.close()


def _end(limit_s: float, *, is_done: bool) -> None:
    if is_done:  # all is in order but for a thread that waits for something, e.g. a name server
        os._exit(0)
    text = f"Shutdown did not finish within {limit_s:g} s; exiting. The main thread is in {_main_thread_place()}."
    with contextlib.suppress(RuntimeError):  # no more threads
        # In a thread: whatever hangs may hold a lock of the log.
        report = threading.Thread(target=logger.error, args=(text,), daemon=True)
        report.start()
        report.join(_LAST_LINE_S)
    os._exit(1)


def _main_thread_place() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001  # documented, despite its name
    if frame is None:
        return "no Python code"
    return f"{frame.f_code.co_name} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
