"""What nobody catches, and what Python warns of, goes into the log: else it would stand between its lines, as text."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

logger = logging.getLogger(__name__)


def log_uncaught() -> None:
    """From now on, in the whole process."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _ends_the_process
    threading.excepthook = _ends_a_thread
    sys.unraisablehook = _ends_nothing


def _ends_the_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("The process ends: %s", kind.__name__, exc_info=(kind, error, trace))


def _ends_a_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is None or issubclass(failed.exc_type, SystemExit):
        return
    name = "" if failed.thread is None else failed.thread.name
    error = (failed.exc_type, failed.exc_value, failed.exc_traceback)
    logger.error("The thread %s ends: %s", name, failed.exc_type.__name__, exc_info=error)


def _ends_nothing(failed: sys.UnraisableHookArgs) -> None:
    # Not the object itself: it is being destroyed, and what it says of itself may be anything.
    error = None if failed.exc_value is None else (failed.exc_type, failed.exc_value, failed.exc_traceback)
    logger.error("%s: %s", failed.err_msg or "Exception ignored", failed.exc_type.__name__, exc_info=error)
