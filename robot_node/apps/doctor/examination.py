"""All checks, one after the other: broker, hardware, machine."""

from __future__ import annotations

from robot_node.apps.doctor.broker import check_broker
from robot_node.apps.doctor.camera import check_camera
from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.display import check_display
from robot_node.apps.doctor.findings import Finding, Tell
from robot_node.apps.doctor.machine import Machine
from robot_node.apps.doctor.pins import check_pins
from robot_node.apps.doctor.service import service_of
from robot_node.apps.doctor.sound import check_sound
from robot_node.apps.doctor.system import check_system
from robot_node.devices.platform import Platform
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.settings.root import Settings


async def examine(
    settings: Settings,
    platform: Platform,
    tell: Tell,
    *,
    machine: Machine | None = None,
    has_robot: bool,
    limit_s: float = 10.0,
) -> None:
    """Check everything; changes nothing.

    Args:
        settings: The robot's.
        platform: What its hardware is reached through.
        tell: Given each finding as soon as there is one.
        machine: What it runs on; this one by default.
        has_robot: Whether the settings are those of a robot, and not of a person who visits the broker.
        limit_s: How long a call into a library of the hardware may take, in seconds.
    """
    machine = machine or Machine()
    robot = ServerTopics(settings.robot.server_id, settings.robot.server_name) if has_robot else None
    await check_broker(settings.broker, tell, console=settings.console, robot=robot, now=machine.now())
    case = Case(settings, platform, machine, service_of(machine), tell, limit_s=limit_s)
    if case.on_a_pi or platform.name == "simulated":
        await check_display(case)
        await check_camera(case)
        await check_pins(case)
        await check_sound(case)
    else:
        detail = "This is no Raspberry Pi: none is checked. With --simulated the simulated hardware is."
        tell(Finding.left_out("hardware", detail))
    await check_system(case)
