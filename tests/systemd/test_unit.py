"""The service unit, and what we tell systemd."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from robot_node.robot.systemd import notify, watchdog_period_s
from robot_node.settings.credentials import CREDENTIALS
from tests.systemd.machine import UNIT
from tests.waiting import DEADLINE_S


def verify(unit: Path) -> str:
    """What systemd-analyze has to say. It exits 0 on unknown keys and bad values: only silence is good."""
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


def unit_with_a_program_that_exists(folder: Path, extra: str = "") -> Path:
    text = UNIT.read_text()
    assert "ExecStart=/opt/robot-node/.venv/bin/robot-node run" in text
    unit = folder / UNIT.name
    unit.write_text(text.replace("/opt/robot-node/.venv/bin/robot-node", "/bin/true") + extra)
    return unit


def test_systemd_accepts_the_unit_without_a_word(tmp_path: Path) -> None:
    assert verify(unit_with_a_program_that_exists(tmp_path)) == ""


def test_the_check_itself_notices_a_wrong_key(tmp_path: Path) -> None:
    assert "Sevice" in verify(unit_with_a_program_that_exists(tmp_path, "\n[Sevice]\nX=1\n"))


def test_systemd_rates_the_unit_as_little_exposed(tmp_path: Path) -> None:
    """0 is least exposed, 10 most; a service without any restriction has 9.6."""
    unit = str(unit_with_a_program_that_exists(tmp_path))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


def test_every_credential_that_is_read_is_loaded_and_one_that_is_missing_stops_nothing() -> None:
    lines = UNIT.read_text().splitlines()
    for credential in CREDENTIALS:
        assert f"LoadCredential={credential.name}:/etc/robot-node/credentials/{credential.name}" in lines
        assert f"SetCredential={credential.name}:\\n" in lines


def test_ready_reaches_the_service_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1", "STATUS=online")
        assert manager.recv(1000) == b"READY=1\nSTATUS=online"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    notify("READY=1")


def test_the_watchdog_is_ours_only_when_systemd_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for variables, period_s in (
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ):
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert watchdog_period_s() == period_s
