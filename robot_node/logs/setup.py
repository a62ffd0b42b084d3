"""Configures logging: text for a terminal, JSON for a file or collector, or the systemd journal."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from robot_node.logs.categories import set_levels
from robot_node.logs.formats import JsonFormatter, TextFormatter
from robot_node.logs.journal import JournalHandler, stderr_is_journal
from robot_node.logs.rate_limit import RateLimitedHandler
from robot_node.settings.logs import LogSettings


def configure_logging(settings: LogSettings) -> None:
    """Configure logging to the journal or to stderr; an earlier handler is closed."""
    handler = RateLimitedHandler(_writer(settings), fold_s=settings.fold_s, lines_per_s=settings.lines_per_s)
    logging.basicConfig(handlers=[handler], force=True)
    set_levels(settings)


def _writer(settings: LogSettings) -> logging.Handler:
    if settings.format == "text" and stderr_is_journal():
        return JournalHandler()
    writer = _StderrHandler(sys.stderr)
    writer.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter(stamped=True))
    return writer


class _StderrHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Raise the error, for :class:`RateLimitedHandler` to count, instead of printing a traceback for each."""
        del record
        raise  # noqa: PLE0704  # logging calls this while it handles the error
