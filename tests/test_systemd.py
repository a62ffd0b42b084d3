"""The service unit, and what we tell systemd."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from robot_node.systemd_notify import notify

UNIT = Path(__file__).parents[1] / "systemd" / "robot-node.service"


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


def test_ready_reaches_the_service_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1", "STATUS=online")
        assert manager.recv(1000) == b"READY=1\nSTATUS=online"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    notify("READY=1")
