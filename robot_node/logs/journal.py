"""Writes records to the systemd journal, with fields to filter by: ``journalctl ROBOT_NODE_SESSION=mcp/agent-7/3``.

Source: systemd's JOURNAL_NATIVE_PROTOCOL and systemd.journal-fields(7).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from logging_journald import JournaldTransport

from robot_node.core.text import one_line
from robot_node.logs.categories import category_of
from robot_node.logs.formats import TextFormatter, session_of, trace_of

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_IDENTIFIER = "robot-node"


def stderr_is_journal() -> bool:
    """Whether stderr is connected to the journal (systemd.exec(5), ``$JOURNAL_STREAM``)."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed; None if it was closed before the start
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends records with their fields to the journal; if that fails, writes plain lines to stderr.

    Args:
        socket: The journal's socket.
    """

    def __init__(self, socket: Path = JOURNAL_SOCKET) -> None:
        super().__init__()
        # Not connected: after a restart of journald the path leads to another socket.
        self._transport = JournaldTransport(socket, connected=False)
        self._transport.socket.setblocking(False)
        self._lost = 0
        self._plain = TextFormatter(stamped=False)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record without blocking; records that a busy journal does not accept are dropped and counted.

        Raises:
            OSError: Neither the journal nor stderr can be written.
        """
        try:
            self._transport.send(self._fields(record))
        except BlockingIOError:
            self._lost += 1
        except OSError:
            priority = _priority(record.levelno)
            lines = self._plain.format(record).splitlines()
            print(*(f"<{priority}>{line}" for line in lines), sep="\n", file=sys.stderr, flush=True)  # noqa: T201  # sd-daemon(3): the level as a prefix
        else:
            self._lost = 0

    def close(self) -> None:
        """Close the socket."""
        self._transport.socket.close()
        super().close()

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str | int]]:
        trace = trace_of(record)
        lost = f" ({self._lost} earlier lines were dropped: the journal was busy.)" if self._lost else ""
        message = one_line(record.getMessage()) + lost
        yield "MESSAGE", f"{message}\n{trace}" if trace else message
        yield "PRIORITY", _priority(record.levelno)
        yield "SYSLOG_IDENTIFIER", _IDENTIFIER
        yield "LOGGER", record.name
        yield "CODE_FILE", one_line(record.pathname)
        yield "CODE_LINE", record.lineno
        yield "CODE_FUNC", record.funcName or ""
        yield "ROBOT_NODE_CATEGORY", str(category_of(record.name))
        if session := session_of(record):
            yield "ROBOT_NODE_SESSION", session
        if repeated := getattr(record, "repeated", 0):
            yield "ROBOT_NODE_REPEATED", int(repeated)


def _priority(level: int) -> int:
    """Return the syslog priority of a level (syslog(3))."""
    for least, priority in ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        if level >= least:
            return priority
    return 7
