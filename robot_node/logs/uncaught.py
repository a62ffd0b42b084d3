"""Logs uncaught exceptions and warnings of Python, which would otherwise be printed between the lines of the log."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

logger = logging.getLogger(__name__)


def log_uncaught() -> None:
    """Install the hooks, for the whole process."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_process_exception
    threading.excepthook = _log_thread_exception
    sys.unraisablehook = _log_unraisable


def _log_process_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("Process terminated by uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def _log_thread_exception(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is None or issubclass(failed.exc_type, SystemExit):
        return
    name = "" if failed.thread is None else failed.thread.name
    error = (failed.exc_type, failed.exc_value, failed.exc_traceback)
    logger.error("Thread %s terminated by uncaught %s", name, failed.exc_type.__name__, exc_info=error)


def _log_unraisable(failed: sys.UnraisableHookArgs) -> None:
    # Without the object: it is being destroyed, and its repr() may fail.
    error = None if failed.exc_value is None else (failed.exc_type, failed.exc_value, failed.exc_traceback)
    logger.error("%s: %s", failed.err_msg or "Exception ignored", failed.exc_type.__name__, exc_info=error)
