"""Records with fields for systemd's journal: on a socket like the journal's, and with the real journald."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_node.core.log_context import in_session
from robot_node.logs import setup
from robot_node.logs.formats import add_session
from robot_node.logs.journal import JournalHandler, stderr_is_journal
from robot_node.logs.rate_limit import RateLimitedHandler
from robot_node.settings.logs import LogSettings
from tests.command import logging_as_before
from tests.waiting import DEADLINE_S


def fields_of(datagram: bytes) -> dict[str, str]:
    """Read systemd's JOURNAL_NATIVE_PROTOCOL: ``KEY=value``, or the key, a length in 8 bytes and the value."""
    fields = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        key, is_text, value = line.partition(b"=")
        if is_text:
            datagram = rest
        else:
            (length,) = struct.unpack("<Q", rest[:8])
            value, datagram = rest[8 : 8 + length], rest[8 + length + 1 :]
        fields[key.decode()] = value.decode()
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket where a journal would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.settimeout(DEADLINE_S)
        yield listening


@pytest.fixture
def logger(journal: socket.socket) -> Iterator[logging.Logger]:
    """A logger that writes to it."""
    handler = JournalHandler(Path(journal.getsockname()))
    handler.addFilter(add_session)
    logger = logging.Logger("robot_node.webrtc.session")  # noqa: LOG001  # of this test alone
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_a_record_carries_fields_to_look_for(journal: socket.socket, logger: logging.Logger) -> None:
    with in_session("webrtc/tablet/4"):
        logger.warning("The answer of %s is late", "tablet")
    fields = fields_of(journal.recv(100_000))
    assert Path(fields.pop("CODE_FILE")).name == "test_journal.py"
    assert int(fields.pop("CODE_LINE")) > 0
    assert fields == {
        "MESSAGE": "The answer of tablet is late",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "robot-node",
        "LOGGER": "robot_node.webrtc.session",
        "CODE_FUNC": "test_a_record_carries_fields_to_look_for",
        "ROBOT_NODE_CATEGORY": "webrtc",
        "ROBOT_NODE_SESSION": "webrtc/tablet/4",
    }


@pytest.mark.parametrize(("level", "priority"), [("debug", "7"), ("info", "6"), ("error", "3"), ("critical", "2")])
def test_levels_are_those_of_syslog(journal: socket.socket, logger: logging.Logger, level: str, priority: str) -> None:
    getattr(logger, level)("x")
    fields = fields_of(journal.recv(100_000))
    assert fields["PRIORITY"] == priority
    assert "ROBOT_NODE_SESSION" not in fields


def test_no_text_can_forge_a_field(journal: socket.socket, logger: logging.Logger) -> None:
    evil = "x\nPRIORITY=0\nMESSAGE=on fire\x1b[2J"
    with in_session(evil):
        logger.error("From %s", evil, exc_info=ValueError(evil))
    fields = fields_of(journal.recv(100_000))
    assert fields["PRIORITY"] == "3"
    message, *trace = fields["MESSAGE"].split("\n")
    assert message == "From x\\nPRIORITY=0\\nMESSAGE=on fire\\x1b[2J"
    assert all(line.startswith("  ") for line in trace)
    assert fields["ROBOT_NODE_SESSION"].isprintable()


def test_a_fold_says_how_often_in_a_field(journal: socket.socket, logger: logging.Logger) -> None:
    handler = RateLimitedHandler(JournalHandler(Path(journal.getsockname())), fold_s=60, lines_per_s=0)
    logger.handlers = [handler]
    for _ in range(3):
        logger.error("broken")
    handler.close()
    assert "ROBOT_NODE_REPEATED" not in fields_of(journal.recv(100_000))
    assert fields_of(journal.recv(100_000))["ROBOT_NODE_REPEATED"] == "2"


def test_nobody_waits_for_a_journal_that_does_not_read_and_what_is_lost_is_counted(
    journal: socket.socket, logger: logging.Logger
) -> None:
    for _ in range(5000):  # more than a socket holds (unix(7)): with a handler that waits, this never ends
        logger.error("x")
    read = 0
    journal.setblocking(False)
    while True:
        try:
            assert fields_of(journal.recv(100_000))["MESSAGE"] == "x"
        except BlockingIOError:
            break
        read += 1
    logger.error("y")
    assert (
        fields_of(journal.recv(100_000))["MESSAGE"]
        == f"y ({5000 - read} earlier lines were dropped: the journal was busy.)"
    )


def test_a_journal_that_is_restarted_is_found_again(
    journal: socket.socket, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    where = Path(journal.getsockname())
    where.unlink()
    logger.error("nobody listens\nnow")
    assert capsys.readouterr().err == "<3>ERROR robot_node.webrtc.session: nobody listens\\nnow\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as restarted:
        restarted.bind(str(where))
        restarted.settimeout(DEADLINE_S)
        logger.error("again")
        assert fields_of(restarted.recv(100_000))["MESSAGE"] == "again"


def test_the_journal_is_used_only_when_stderr_is_connected_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
        assert not stderr_is_journal()
        status = os.fstat(stderr.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert stderr_is_journal()
        monkeypatch.setenv("JOURNAL_STREAM", "1:2")  # inherited, and stderr was redirected since
        assert not stderr_is_journal()


def test_json_is_never_sent_as_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "stderr_is_journal", lambda: True)
    with logging_as_before():
        setup.configure_logging(LogSettings(format="json"))
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, RateLimitedHandler)
        assert not isinstance(handler._target, JournalHandler)
        handler.close()


# A journald in namespaces of its own, and stderr connected with it as systemd connects that of a service.
_WITH_JOURNALD = r"""
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald &
until test -S /run/systemd/journal/stdout -a -S /run/systemd/journal/socket; do sleep 0.1; done
export ROBOT_NODE_BROKER__CONNECT_TIMEOUT_S=1
systemd-cat bash -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' bash "$@" &
until journalctl -D /run/log/journal -o json -n 1 ROBOT_NODE_CATEGORY=mqtt PRIORITY=4 2>/dev/null | grep MESSAGE; do
  sleep 0.3
done
"""
_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.mark.slow
def test_the_real_journal_finds_a_robots_lines_by_their_fields() -> None:
    robot = (sys.executable, "-m", "robot_node", "run", "--simulated", "--broker", "mqtt://127.0.0.1:1")
    done = subprocess.run(
        [*_NAMESPACES, "timeout", "90", "bash", "-c", _WITH_JOURNALD, "bash", *robot],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "Cannot reach the MQTT broker" in found["MESSAGE"]
    assert found["_TRANSPORT"] == "journal"
    assert found["SYSLOG_IDENTIFIER"] == "robot-node"
    assert found["LOGGER"] == "robot_node.mqtt.reconnect"
    assert Path(found["CODE_FILE"]).name == "reconnect.py"
