"""Runs all checks: broker, hardware, machine."""

from __future__ import annotations

from robot_node.apps.doctor.broker import check_broker
from robot_node.apps.doctor.camera import check_camera, check_cameras_of_other_boards
from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.display import check_display
from robot_node.apps.doctor.findings import Finding, Report
from robot_node.apps.doctor.ice import check_ice_servers
from robot_node.apps.doctor.machine import Machine
from robot_node.apps.doctor.people import check_people_only
from robot_node.apps.doctor.pins import check_pins
from robot_node.apps.doctor.service import service_of
from robot_node.apps.doctor.sound import check_sound
from robot_node.apps.doctor.system import check_system
from robot_node.apps.doctor.vision import check_vision
from robot_node.devices.platform import Platform
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.settings.root import Settings


async def examine(
    settings: Settings,
    platform: Platform,
    report: Report,
    *,
    machine: Machine | None = None,
    has_robot: bool,
    limit_s: float = 10.0,
) -> None:
    """Run all checks; changes nothing.

    Args:
        settings: The robot's settings.
        platform: Access to its hardware.
        report: Called with each finding.
        machine: The machine it runs on; this one by default.
        has_robot: Whether the settings are those of a robot, not only a broker given on the command line.
        limit_s: Time limit of a call into a hardware library, in seconds.
    """
    machine = machine or Machine()
    robot = ServerTopics(settings.robot.server_id, settings.robot.server_name) if has_robot else None
    await check_broker(settings.broker, report, console=settings.console, robot=robot, now=machine.now())
    case = Case(settings, platform, machine, service_of(machine), report, limit_s=limit_s)
    check_people_only(case)
    await check_ice_servers(case)
    if case.on_a_pi or platform.name == "simulated":
        await check_display(case)
        await check_camera(case)
        await check_pins(case)
        await check_sound(case)
    else:
        detail = "Not checked: this is not a Raspberry Pi. With --simulated, the simulated hardware is checked."
        report(Finding.not_applicable("hardware", detail))
        await check_cameras_of_other_boards(case)
    await check_vision(case)
    await check_system(case)
