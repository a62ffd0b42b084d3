"""Logging when descriptors are used up or stderr is gone: nothing fails, and it goes on when they are back."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.logs.test_journal import fields_of
from tests.waiting import DEADLINE_S

_START = """
import contextlib, logging, os, resource, sys
from pathlib import Path
from robot_node.logs import setup
from robot_node.logs.journal import JournalHandler
from robot_node.settings.logs import LogSettings

logger = logging.getLogger("robot_node.test")

@contextlib.contextmanager
def no_descriptors():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

@contextlib.contextmanager
def no_stderr():
    saved = os.dup(2)
    os.close(2)
    try:
        yield
    finally:
        os.dup2(saved, 2)

def fail():
    try:
        open("/nowhere\\x1b")
    except OSError:
        logger.exception("failed\\x1b")
"""


def run(program: str, *arguments: str) -> str:
    """Run a program after the start above; returns what it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _START + program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_without_descriptors_everything_is_logged_to_stderr(form: str) -> None:
    said = run(
        f"""
setup.configure_logging(LogSettings(format={form!r}))
with no_descriptors():
    fail()
    logger.warning("Ünsinn\\x1b")
logger.warning("again")
"""
    )
    assert "Logging error" not in said
    assert "Too many open files" in said, "its own error is logged"
    assert [word in said for word in ("failed", "again")] == [True, True]


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_that_stderr_does_not_take_are_counted_and_it_goes_on_afterwards(form: str) -> None:
    said = run(
        f"""
setup.configure_logging(LogSettings(format={form!r}))
with no_stderr():
    fail()
    for number in range(20):
        logger.warning("lost %d", number)
logger.warning("again")
logger.warning("and again")
"""
    )
    lines = said.splitlines()
    assert len(lines) == 3
    assert "again" in lines[0]
    assert re.search(r"21 lines could not be written: OSError: .*Bad file descriptor", lines[1])
    assert "and again" in lines[2]


def test_a_wrong_log_call_is_a_line_and_no_traceback() -> None:
    said = run(
        """
setup.configure_logging(LogSettings())
logger.warning("%d", "x")
logger.info("%d", "x")
logger.warning("again")
"""
    )
    assert "Traceback" not in said
    assert "2 lines could not be written: TypeError" in said


def test_without_stderr_at_the_start_nothing_fails() -> None:
    assert run("sys.stderr = None\nsetup.configure_logging(LogSettings())\nfail()") == ""


def test_what_the_journal_does_not_take_goes_to_stderr_or_is_counted(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.settimeout(DEADLINE_S)
        said = run(
            """
setup.JournalHandler = lambda: JournalHandler(Path(sys.argv[1]))
setup.stderr_is_journal = lambda: True
setup.configure_logging(LogSettings())
with no_stderr(), no_descriptors():
    logger.warning("first")
    os.rename(sys.argv[1], sys.argv[1] + "-away")
    logger.warning("lost")
    fail()
    os.rename(sys.argv[1] + "-away", sys.argv[1])
logger.warning("again")
""",
            path,
        )
        messages = [fields_of(journal.recv(100_000))["MESSAGE"] for _ in range(3)]
    assert messages[:2] == ["first", "again"]
    assert messages[2].startswith("2 lines could not be written: OSError")
    assert said == ""
