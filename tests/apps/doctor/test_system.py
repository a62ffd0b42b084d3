"""The doctor on a machine that is as it should be, and on such that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding, Level
from robot_node.apps.doctor.machine import Machine
from robot_node.apps.doctor.service import service_of
from robot_node.apps.doctor.system import check_system
from robot_node.settings.root import RobotSettings, Settings
from tests.apps.doctor.pi import Pi, by_check

STATE = "var/lib/robot-node"


async def examined(pi: Pi) -> dict[str, Finding]:
    found: list[Finding] = []
    await check_system(Case(pi.settings, pi.platform, pi.machine, service_of(pi.machine), found.append))
    return by_check(found)


async def test_all_is_well(tmp_path: Path) -> None:
    found = await examined(Pi.in_good_health(tmp_path))
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["system"].detail == "Debian GNU/Linux 13 (trixie) on a Raspberry Pi 4 Model B Rev 1.5."
    assert found["groups"].detail == "robot-node is in all required groups: video, render, i2c."
    assert found["clock"].detail == "The clock is synchronised: 2026-05-01 12:00 UTC."


def no_groups(pi: Pi) -> None:
    pi.write("etc/systemd/system/robot-node.service", "[Service]\nUser=robot-node\n")


def no_service(pi: Pi) -> None:
    pi.remove("etc/systemd/system/robot-node.service")


def no_user(pi: Pi) -> None:
    pi.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n")


def a_drop_in_makes_it_root(pi: Pi) -> None:
    pi.write("etc/systemd/system/robot-node.service.d/override.conf", "[Service]\nUser=root\n")


def throttled(pi: Pi) -> None:
    pi.hardware.computer.throttled = 0x50005


def throttled_before(pi: Pi) -> None:
    pi.hardware.computer.throttled = 0x50000


def no_mailbox(pi: Pi) -> None:
    def refuse() -> str:
        raise OSError("vcgencmd fails: Can't open device file: /dev/vcio_gencmd")

    pi.platform = replace(pi.platform, board_throttling=refuse)


def wrong_clock(pi: Pi) -> None:
    pi.changed(clock_is_synchronised=lambda: False)


def unknown_clock(pi: Pi) -> None:
    pi.changed(clock_is_synchronised=lambda: None)


def free(mebibytes: int) -> Callable[[Pi], None]:
    return lambda pi: pi.changed(free_bytes=lambda _: mebibytes * 1024**2)


def state_of_another(pi: Pi) -> None:
    (pi.machine.root / STATE).mkdir(parents=True, mode=0o755)


def state_nowhere(pi: Pi) -> None:
    pi.settings = Settings(robot=RobotSettings(state_file=Path("/srv/robot/state.json")))


def old_system(pi: Pi) -> None:
    pi.write("etc/os-release", 'PRETTY_NAME="Raspbian 11"\nVERSION_ID="11"\n')


def old_python(pi: Pi) -> None:
    pi.changed(python="3.9.2")


def another_package(pi: Pi) -> None:
    pi.changed(
        requirements=lambda: ["aiomqtt<2.6,>=2.5", "aiortc<1.17,>=1.16", "pywin32; sys_platform == 'win32'"],
        version_of={"robot-node": "1.0", "aiomqtt": "1.0"}.get,
    )


def av_of_apt(pi: Pi) -> None:
    pi.changed(requirements=lambda: ["av>=17.1"], version_of={"robot-node": "1.0", "av": "14.2.0"}.get)


@pytest.mark.parametrize(
    ("fault", "check", "level", "detail", "remedy"),
    [
        (
            no_groups,
            "groups",
            Level.NOT_OK,
            "not in: render for the camera, i2c for",
            "usermod -aG render,i2c robot-node",
        ),
        (no_service, "groups", Level.NOT_OK, "pi is not in: video", "usermod -aG video,render,i2c pi"),
        (no_service, "state folder", Level.NOT_APPLICABLE, "Neither a service", ""),
        (no_user, "groups", Level.NOT_OK, "There is no user robot-node", "sudo useradd --system --groups video,"),
        (a_drop_in_makes_it_root, "groups", Level.NOTE, "runs as root", "its own user"),
        (throttled, "throttling", Level.NOTE, "is slowed down: under_voltage, throttled", "power supply"),
        (throttled_before, "throttling", Level.NOTE, "was slowed down: under_voltage, throttled", "power supply"),
        (no_mailbox, "throttling", Level.NOTE, "Can't open device file: /dev/vcio_gencmd", "group video"),
        (wrong_clock, "clock", Level.NOTE, "The clock is not synchronised", "sudo timedatectl set-ntp true"),
        (unknown_clock, "clock", Level.NOT_APPLICABLE, "does not say", ""),
        (free(10), "disk", Level.NOT_OK, "Only 10 MiB", "journalctl --vacuum-size"),
        (free(200), "disk", Level.NOTE, "Only 200 MiB", "journalctl --vacuum-size"),
        (
            state_of_another,
            "state folder",
            Level.NOT_OK,
            "robot-node may not write to /var/lib",
            "chown -R robot-node:",
        ),
        (
            state_nowhere,
            "state folder",
            Level.NOT_OK,
            "The folder of robot.state_file, /srv/robot",
            "sudo install -d -o robot",
        ),
        (old_system, "system", Level.NOTE, "Raspbian 11", "Raspberry Pi Imager"),
        (old_python, "versions", Level.NOT_OK, "Python 3.9.2", "Raspberry Pi OS"),
        (another_package, "packages", Level.NOT_OK, "aiomqtt 1.0 (needed: <2.6,>=2.5)", "install 'aiomqtt<2.6"),
        (another_package, "packages", Level.NOT_OK, "aiortc is missing", "'aiortc<1.17,>=1.16'"),
        (av_of_apt, "packages", Level.NOT_OK, "av 14.2.0 (needed: >=17.1).", "pip install 'av>=17.1'"),
    ],
)
async def test_each_fault_is_found_with_its_remedy(  # noqa: PLR0917  # the columns of a table
    tmp_path: Path, fault: Callable[[Pi], None], check: str, level: Level, detail: str, remedy: str
) -> None:
    pi = Pi.in_good_health(tmp_path)
    fault(pi)
    found = await examined(pi)
    assert found[check].level is level
    assert detail in found[check].detail
    assert remedy in found[check].remedy


async def test_an_av_that_leaks_says_so(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    av_of_apt(pi)
    assert "leaks 0.3 to 0.6 MB for each minute of sound" in (await examined(pi))["packages"].why


async def test_a_state_folder_that_everybody_may_write_to_is_writable(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    state_of_another(pi)
    (tmp_path / STATE).chmod(0o777)
    assert (await examined(pi))["state folder"].level is Level.OK


async def test_another_machine_is_no_patient_for_groups(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    pi.remove("proc/device-tree/model")
    found = await examined(pi)
    assert "groups" not in found
    assert found["system"].detail == "Debian GNU/Linux 13 (trixie); not a Raspberry Pi."


def test_this_machines_own_facts_can_be_read() -> None:
    machine = Machine()
    assert machine.clock_is_synchronised() in {True, False, None}
    assert machine.free_bytes(Path("/")) > 0
    assert machine.current_user
    assert any(process.pid == 1 for process in machine.processes())
