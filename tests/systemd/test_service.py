"""The shipped unit under a real systemd: a robot on simulated hardware is started, lost, hung and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from pathlib import Path

import pytest

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import watch
from tests.end_to_end.robot_process import is_retained
from tests.systemd.machine import Machine, Service
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # what systemd waits for adds up

SETTINGS = """
[robot]
server_id = "{name}"
server_name = "tests/{name}"
[camera]
width = 320
height = 240
[broker]
url = "{url}"
reconnect_initial_s = 0.2
reconnect_maximum_s = 0.5
{further}
"""
HANG = """
[simulation]
camera_hangs_while = "/var/lib/{name}/hang"
"""


def settings(name: str, broker: PrivateBroker, further: str = "") -> str:
    return SETTINGS.format(name=name, url=broker.url, further=further.format(name=name))


async def is_present(broker: PrivateBroker, name: str) -> bool:
    return await is_retained(broker, f"$mcp-server/presence/{name}/tests/{name}")


async def call(broker: PrivateBroker, name: str, tool: str, **arguments: object) -> str:
    """Call a tool; return what the robot says to that."""
    result = await remote.call(Broker.from_url(broker.url), name, tool, arguments)
    return str(result.content)


async def switch_on(broker: PrivateBroker, name: str) -> str:
    return await call(broker, name, "control_camera", enabled=True)


async def leave(visitor: asyncio.Task[object]) -> None:
    visitor.cancel()
    await asyncio.wait([visitor])


async def start(*services: Service) -> None:
    """Start services; return when systemd says that all are ready."""
    async with asyncio.TaskGroup() as group:
        for service in services:
            group.create_task(asyncio.to_thread(service.systemctl, "start"))


def hang_camera(service: Service) -> None:
    (service.state_folder / "hang").touch()


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A broker's password file."""
    file = tmp_path / "passwords"
    file.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", file, "robot", "secret"], check=True)
    return file


async def test_it_logs_in_with_its_credential_streams_survives_sigkill_and_stops(
    machine: Machine, passwords: Path
) -> None:
    credential = machine.root / "etc/robot-node/credentials/broker-password"
    credential.parent.mkdir(parents=True)
    credential.write_text("secret\n")
    credential.chmod(0o600)
    async with PrivateBroker(extra=f"password_file {passwords}") as broker:
        with_name = settings("robot-node", broker).replace("url", 'username = "robot"\nurl')
        service = Service(machine, "robot-node", with_name)
        await start(service)
        assert await is_present(broker, "robot-node"), "ready means reachable"

        await switch_on(broker, "robot-node")
        report = await watch(Broker.from_url(broker.url), "robot-node", frames=20)
        assert report.frames >= 20, service.log

        service.kill(signal.SIGKILL)
        await asyncio.to_thread(service.wait_until_restarted)
        assert await is_present(broker, "robot-node")

        await asyncio.to_thread(service.systemctl, "stop")
        assert (service.show("Result"), service.show("ExecMainStatus")) == ("success", "0"), service.log
        assert not await is_present(broker, "robot-node")


async def test_the_watchdog_ends_what_hangs_and_not_what_waits_for_a_broker(
    machine: Machine, broker: PrivateBroker
) -> None:
    soon = "WatchdogSec=10"  # instead of half a minute
    stopped = Service(machine, "robot-stopped", settings("robot-stopped", broker), further=soon)
    hung = Service(machine, "robot-hung", settings("robot-hung", broker, HANG), further=soon)
    async with PrivateBroker() as late:
        await late.stop()
        waiting = Service(machine, "robot-waiting", settings("robot-waiting", late), further=soon)
        waiting.systemctl("start", "--no-block")
        await start(stopped, hung)

        stopped.kill(signal.SIGSTOP)
        hang_camera(hung)
        assert "does not answer" in await switch_on(broker, "robot-hung")
        for service in (stopped, hung):
            await asyncio.to_thread(service.wait_until_restarted)
            assert "Watchdog timeout" in service.log
            assert await is_present(broker, service.name)
        assert "A call into the camera has not returned" in hung.log
        assert "hw_mocks/sensor.py" in hung.log, "the traceback of the thread that hung"

        assert (waiting.show("ActiveState"), waiting.show("NRestarts")) == ("activating", "0")
        await late.start()
        await eventually(lambda: waiting.show("ActiveState") == "active", "the robot is ready")
        assert await is_present(late, "robot-waiting")
        await asyncio.gather(*(asyncio.to_thread(each.systemctl, "stop") for each in (stopped, hung, waiting)))


async def test_a_broker_that_is_down_does_not_keep_the_machine_from_finishing_its_boot(machine: Machine) -> None:
    async with PrivateBroker() as broker:
        await broker.stop()
        service = Service(machine, "robot-at-boot", settings("robot-at-boot", broker))
        service.systemctl("enable")
        # As at boot: the target wants the robot. Returns when the target is reached.
        await asyncio.to_thread(machine.run, "timeout", "60", "systemctl", "start", "multi-user.target")
        assert machine.run("systemctl", "is-active", "multi-user.target").strip() == "active"
        await eventually(lambda: service.show("ActiveState") == "activating", "the robot is started after it")
        await eventually(lambda: "Cannot reach the MQTT broker" in service.log, "the robot waits for its broker")
        await broker.start()
        await eventually(lambda: service.show("ActiveState") == "active", "the robot is ready")
        assert await is_present(broker, "robot-at-boot")
        await asyncio.to_thread(service.systemctl, "stop")


@pytest.mark.own_broker
async def test_neither_a_camera_nor_a_broker_that_hangs_nor_a_viewer_keeps_it_from_stopping(
    machine: Machine, broker: PrivateBroker
) -> None:
    # More than the unit has, for a busy machine.
    service = Service(machine, "robot-stuck", settings("robot-stuck", broker, HANG), further="TimeoutStopSec=12")
    await start(service)
    async with contextlib.AsyncExitStack() as visitors:
        visitors.push_async_callback(leave, asyncio.create_task(watch(Broker.from_url(broker.url), "robot-stuck")))
        await eventually(lambda: "is connected" in service.log, "the viewer is connected")
        hang_camera(service)
        visitors.push_async_callback(leave, asyncio.create_task(switch_on(broker, "robot-stuck")))
        while "starting" not in await call(broker, "robot-stuck", "get_status"):
            pass
        visitors.callback(broker.signal, signal.SIGCONT)
        broker.signal(signal.SIGSTOP)
        await asyncio.to_thread(service.systemctl, "stop")
    # It has ended by itself: else it says "timeout", and systemd has killed it.
    assert service.show("Result") in {"success", "exit-code"}, service.log
    assert not await is_present(broker, "robot-stuck")
