"""``robot-node ARGUMENTS`` in the process of the test: half a second faster than a process of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from unittest import mock

from robot_node.apps.private_broker import PrivateBroker
from robot_node.cli.main import main
from tests.end_to_end.robot_process import CommandResult, environment


class _Terminal(io.TextIOWrapper):
    """A stdin at which somebody types."""

    def isatty(self) -> bool:
        return True


def command(
    *arguments: str,
    broker: PrivateBroker | None = None,
    stdin: str = "",
    terminal: bool = False,
    settings: dict[str, str] | None = None,
) -> CommandResult:
    """Run a command, without a terminal unless stdin is to be one, with ``settings`` in the environment.

    It must be called where no event loop runs. What concerns the process itself (signals, passwords in the process
    list, streams that are closed) needs one: :func:`tests.end_to_end.robot_process.robot_node`.
    """
    typed = _Terminal if terminal else io.TextIOWrapper
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, environment(broker, settings), clear=True),
        mock.patch.object(sys, "argv", ["robot-node", *arguments]),
        mock.patch.object(sys, "stdin", typed(io.BytesIO(stdin.encode()), encoding="utf-8")),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        logging_as_before(),
    ):
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        else:
            status = 0
    return CommandResult(status, *(stream.buffer.getvalue().decode() for stream in (stdout, stderr)))


@contextlib.contextmanager
def logging_as_before() -> Iterator[None]:
    """Take back how the block sets logging up, for all loggers."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {root: root.level}
    levels |= {each: each.level for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root.handlers.clear()  # setting up would close them
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        for logger in (root, *root.manager.loggerDict.values()):
            if isinstance(logger, logging.Logger):
                logger.setLevel(levels.get(logger, logging.NOTSET))
