"""A robot whose parts fail: what agents, viewers and the owner see of it. docs/faults.md has them all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node import daemon
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.backoff import RestartPolicy
from robot_node.errors import ServiceError
from robot_node.settings.loading import load_settings
from tests.end_to_end.agents import agent, events, status
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import (
    PRESENCE,
    SERVER_ID,
    SERVER_NAME,
    RobotProcess,
    plain_client,
    wait_until_online,
)
from tests.waiting import DEADLINE_S, eventually


@contextlib.asynccontextmanager
async def a_robot(
    broker: PrivateBroker,
    pi: SimulatedPi,
    overrides: dict[str, Any] | None = None,
    *,
    state_file: Path | None = None,
    **options: Any,
) -> AsyncIterator[asyncio.Task[None]]:
    """A robot in this process, being started."""
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url, "reconnect_initial_s": 0.2},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME, "state_file": state_file},
            **(overrides or {}),
        },
    )
    task = asyncio.create_task(daemon.run(settings, pi.platform, **options))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def told(client: Client) -> list[tuple[str, str]]:
    """Kind and text of the events."""
    return [(event["kind"], event["text"]) for event in await events(client)]


async def test_a_service_that_crashes_is_told_to_agents_and_everything_else_goes_on(broker: PrivateBroker) -> None:
    begun, crash = asyncio.Event(), asyncio.Event()

    async def clockwork() -> None:
        begun.set()
        await crash.wait()
        crash.clear()
        raise RuntimeError("the spring broke")

    async with a_robot(broker, simulated_platform(scene="clock"), extra_services={"clockwork": clockwork}):
        await wait_until_online(broker)
        async with agent(broker) as client:
            await begun.wait()
            begun.clear()
            assert (await status(client))["faults"] == {}
            crash.set()
            await begun.wait()  # again
            fault = "The service clockwork crashed: RuntimeError: the spring broke."
            assert (await status(client))["faults"] == {"clockwork": fault}
            assert ("fault", fault) in await told(client)
            await client.call_tool("change_emotion", {"emotion": "happy"})
            assert (await status(client))["emotion"] == "happy"


async def test_an_mcp_service_that_crashes_takes_its_presence_back_and_comes_again(broker: PrivateBroker) -> None:
    online = asyncio.Event()

    def crash_once() -> None:
        if not online.is_set():
            online.set()
            raise RuntimeError("in the middle of MCP")

    async with plain_client(broker, "watcher") as watcher, asyncio.timeout(2 * DEADLINE_S):
        await watcher.subscribe(PRESENCE)
        async with a_robot(broker, simulated_platform(scene="clock"), on_online=crash_once):
            seen = [bool((await anext(aiter(watcher.messages))).payload) for _ in range(3)]
            assert seen == [True, False, True]
            async with agent(broker) as client:
                now = await status(client)
                assert now["faults"] == {"MCP": "The service MCP crashed: RuntimeError: in the middle of MCP."}
                assert ("link", "The connection to the broker is lost: The MCP service crashed: ExceptionGroup.") in (
                    await told(client)
                )


async def test_a_service_that_crashes_for_ever_ends_the_robot_in_order_and_with_an_error(
    broker: PrivateBroker,
) -> None:
    async def clockwork() -> None:
        raise RuntimeError("the spring broke")

    pi = simulated_platform(scene="clock")
    camera = {"camera": {"on_at_start": True}}
    restarts = RestartPolicy(initial_s=0.01, maximum_s=0.01)
    async with a_robot(broker, pi, camera, extra_services={"clockwork": clockwork}, restarts=restarts) as robot:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ServiceError, match="The service clockwork crashed 10 times"):
                await robot
        assert not pi.sensor.capturing


@pytest.mark.parametrize("on_after_restart", [True, False])
async def test_a_camera_that_was_on_before_a_restart_comes_back_only_where_its_owner_allows_it(
    broker: PrivateBroker, tmp_path: Path, *, on_after_restart: bool
) -> None:
    kept = tmp_path / "state.json"
    kept.write_text('{"version": 1, "camera": true}')
    settings = {"camera": {"on_after_restart": on_after_restart}}
    pi = simulated_platform(scene="clock")
    async with a_robot(broker, pi, settings, state_file=kept), agent(broker) as client:
        await eventually(lambda: pi.sensor.capturing or not on_after_restart, "the camera is on again")
        assert (await status(client))["camera"] in ({"starting", "on"} if on_after_restart else {"off"})
        assert pi.sensor.capturing is on_after_restart


@pytest.mark.slow
async def test_what_somebody_chose_survives_a_power_cut(broker: PrivateBroker, tmp_path: Path) -> None:
    settings = {
        "STATE_DIRECTORY": str(tmp_path),  # as systemd has it
        "ROBOT_NODE_CAMERA__ON_AT_START": "true",
        "ROBOT_NODE_AUDIO__LOUDSPEAKER": "default",
    }
    robot = RobotProcess(broker, tmp_path, settings=settings)
    await robot.start()
    try:
        await wait_until_online(broker)
        async with agent(broker) as client:
            await client.call_tool("change_emotion", {"emotion": "happy"})
            await client.call_tool("control_volume", {"volume": 30, "muted": True})
            await client.call_tool("control_camera", {"enabled": False})
            await eventually(lambda: camera_is_off_in(tmp_path / "state.json"), "that is written down")
        await robot.kill()
        await robot.start()
        await wait_until_online(broker)
        async with agent(broker) as client:
            now = await status(client)
        chosen = {"emotion": "happy", "volume": 30, "muted": True, "camera": "off"}
        assert {name: now[name] for name in chosen} == chosen
        assert "The camera stays off, although camera.on_at_start is set" in robot.log
        assert await robot.stop() == 0
    finally:
        await robot.kill()


def camera_is_off_in(file: Path) -> bool:
    return file.exists() and json.loads(file.read_text()).get("camera") is False


async def test_a_viewer_stays_in_its_session_while_the_camera_is_restarted(broker: PrivateBroker) -> None:
    pi, online = simulated_platform(scene="clock"), asyncio.Event()
    camera = {"on_at_start": True, "restart_after_s": 1, "width": 320, "height": 180}
    async with a_robot(broker, pi, {"camera": camera}, on_online=online.set):
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()
        async with agent(broker) as client, watching(broker, "viewer-1") as viewer:
            await viewer.frames(5)
            pi.sensor.stalled = True
            await eventually(partial(camera_is, client, on=False), "an agent sees that it does not work")
            await viewer.quiet()
            pi.sensor.stalled = False
            await viewer.frames(5)
            assert (viewer.connection_state, viewer.terminated) == ("connected", "")
            await eventually(partial(camera_is, client, on=True), "an agent sees that it works")
            assert ("recovered", "The camera works again.") in await told(client)
            now = await status(client)
            assert (now["camera"], now["camera_error"], now["viewers"]) == ("on", "", 1)


async def camera_is(client: Client, *, on: bool) -> bool:
    """What an agent is told of the camera."""
    return ((await status(client))["camera"] == "on") is on
