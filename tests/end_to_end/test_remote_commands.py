"""``call`` and ``watch``: what goes wrong at the robot, or on the way to it, is said in words that help."""

from __future__ import annotations

import asyncio
import functools
import json
import signal
import sys

import pytest
from mcp import Client

from robot_node.apps import remote, watch
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RemoteError
from robot_node.mqtt import Broker
from tests.end_to_end.agents import agent, status, structured
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, environment
from tests.mcp_mqtt import peers
from tests.mcp_mqtt.toys import running, toy_server
from tests.waiting import DEADLINE_S, eventually

# A bridge of MQTT 3.1.1, which is mosquitto's default.
_BRIDGE = """\
connection other-site
address 127.0.0.1:{port}
bridge_protocol_version mqttv311
topic $mcp-server/# both 0
topic $mcp-client/# both 0
topic $mcp-rpc/# both 0
"""


@pytest.mark.slow
async def test_watching_a_robot_that_is_killed_says_that_it_is_gone(own_robot: RobotProcess) -> None:
    async with agent(own_robot.broker) as client:
        await structured(client, "control_camera", enabled=True)
    process = own_robot.process
    assert process is not None

    def kill(_: str) -> None:
        if process.returncode is None:
            process.kill()

    address = Broker(own_robot.broker.url)
    with pytest.raises(RemoteError, match=rf"^{SERVER_ID} went offline after \d+ frames\. .*watch again"):
        await watch.watch(address, SERVER_ID, frames=None, output=None, ice_servers=(), log=kill)
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.slow
async def test_watch_switches_the_camera_on_and_off_again_after_ctrl_c_too(robot: RobotProcess) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_node", "watch", SERVER_ID, "--on", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(robot.broker),
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE_S), agent(robot.broker) as client:
            line = await process.stderr.readline()
            assert line.endswith(b" frames\n"), line
            assert (await status(client))["camera"] == "on"
            process.send_signal(signal.SIGINT)
            stdout, _ = await process.communicate()
            assert process.returncode == 0
            assert json.loads(stdout)["frames"] > 0
            assert (await status(client))["camera"] == "off"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_CALL_LIMIT_S", 1.0)
    monkeypatch.setattr(remote, "Client", functools.partial(Client, mode="legacy"))  # the SDK's probe takes 10 s


@pytest.mark.usefixtures("short_waits")
async def test_a_call_that_takes_too_long_is_a_timeout_and_no_refusal(broker: PrivateBroker) -> None:
    async with running(Broker(broker.url), toy_server()):
        with pytest.raises(RemoteError, match=rf"^Timeout: {peers.SERVER_ID} did not answer the call of wait\."):
            await remote.call(Broker(broker.url), peers.SERVER_ID, "wait", {})


@pytest.mark.usefixtures("short_waits")
async def test_a_bridge_of_mqtt_3_is_named_as_a_cause_of_the_silence(broker: PrivateBroker) -> None:
    async with running(Broker(broker.url), toy_server()), PrivateBroker(extra=_BRIDGE.format(port=broker.port)) as here:
        address = Broker(here.url)

        async def is_bridged() -> bool:
            return bool(await remote.online(address))

        await eventually(is_bridged, "the robot is seen through the bridge")
        with pytest.raises(RemoteError, match=r"is online, but did not answer .* \(initialize\)") as failed:
            await remote.call(address, peers.SERVER_ID, "add", {"a": 1, "b": 2})
    assert "a broker bridge with MQTT 3.1.1 removes the user properties" in failed.value.remedy
