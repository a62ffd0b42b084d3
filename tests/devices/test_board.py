"""What the Raspberry Pi says of itself, and machines that say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.devices.board import Board, BoardReadings, Throttling
from robot_node.devices.platform import raspberry_pi


async def test_temperature_and_throttling_are_read() -> None:
    pi = simulated_platform(scene="clock")
    pi.computer.temperature_c, pi.computer.throttled = 81.2, 0x50008
    board = Board(pi.platform)
    before = Throttling.UNDER_VOLTAGE | Throttling.THROTTLED
    assert await board.read() == BoardReadings(81.2, Throttling.SOFT_TEMPERATURE_LIMIT, before)
    board.close()


async def test_what_a_machine_does_not_tell_is_unknown() -> None:
    pi = simulated_platform(scene="clock")
    pi.computer.temperature_c = pi.computer.throttled = None
    board = Board(pi.platform)
    assert await board.read() == BoardReadings()
    board.close()


async def test_however_often_it_is_asked_the_board_is_not_asked_more_often() -> None:
    pi, now = simulated_platform(scene="clock"), 100.0
    board = Board(pi.platform, clock=lambda: now)
    pi.computer.temperature_c = 40.0
    assert (await board.read()).temperature_c == 40.0
    pi.computer.temperature_c = 41.0
    assert (await board.read()).temperature_c == 40.0
    now += 5.0
    assert (await board.read()).temperature_c == 41.0
    board.close()


@pytest.mark.parametrize(
    ("script", "throttling"),
    [
        ("echo throttled=0x8", Throttling.SOFT_TEMPERATURE_LIMIT),
        ("echo VCHI initialization failed; exit 255", None),
        ("echo error=1 error_msg='Command not registered'", None),
    ],
)
async def test_the_firmware_is_asked_by_its_own_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, throttling: Throttling | None
) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text(f'#!/bin/sh\ntest "$*" = get_throttled && {script}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    board = Board(raspberry_pi())
    assert (await board.read()).throttling is throttling
    board.close()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo Can\\'t open device file: /dev/vcio_gencmd; exit 255",
            "vcgencmd fails: Can't open device file: /dev/vcio",
        ),
        ("echo error=1", "vcgencmd prints 'error=1'"),
    ],
)
async def test_a_command_that_fails_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, script: str, reason: str
) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    now = 100.0
    board = Board(raspberry_pi(), clock=lambda: now)
    for _ in range(3):
        assert (await board.read()).throttling is None
        now += 60.0
    board.close()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert reason in warning
    assert "/dev/vcio_gencmd" in warning
    assert "group video" in warning


async def test_a_machine_without_the_command_is_no_pi_and_nothing_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    board = Board(raspberry_pi())
    assert (await board.read()).throttling is None
    board.close()
    assert not caplog.records
