"""Robots, and the broker itself, come and go; the bridge's process stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mcp.shared.subscriptions import ServerEvent

from robot_node.apps.bridge.naming import RobotNames, ToolNames
from robot_node.apps.bridge.overview import describe
from robot_node.apps.bridge.robots import MAX_ROBOTS, Robots, robots
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.presence import OnlineServer, directory
from robot_node.mcp_mqtt.topics import ServerName
from robot_node.mqtt import Backoff, Broker, ConnectOptions, LinkStatus, connect
from tests.apps.bridge.agents import Message, bridge_process, raw_agent, scripted_robot
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S

TOYS = {"add", "wait", "count", "fail", "picture", "who", "announce"}
KITCHEN = {f"kitchen__{name}" for name in TOYS}
BOTH = {f"robots__{name}" for name in TOYS}
ADD = {"a": 1, "b": 2}


@pytest.fixture
def toy() -> Toy:
    return toy_server()


def sum_in(answer: Message) -> int:
    return int(answer["result"]["structuredContent"]["result"])


async def test_tools_have_prefixes_only_while_there_are_several_robots(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_agent(broker) as agent:
        assert set(await agent.tools()) == TOYS | {"list_robots"}
        async with running(broker, toy_server(), server_id="robot-2", server_name="robot-node/garage"):
            await agent.until_tools(BOTH)
            assert sum_in(await agent.call("robots__add", ADD | {"robot": "garage"})) == 3
            assert sum_in(await agent.call("garage__add", ADD)) == 3
            assert sum_in(await agent.call("add", ADD)) == 3
        await agent.until_tools(TOYS)
        assert sum_in(await agent.call("kitchen__add", ADD)) == 3


async def test_an_agent_that_cannot_be_told_costs_neither_the_session_nor_what_comes_later(
    broker: PrivateBroker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    told: asyncio.Queue[ServerName] = asyncio.Queue()

    async def tell(robot: ServerName, _event: ServerEvent) -> None:
        told.put_nowait(robot)
        raise LookupError("nobody listens")

    address = Broker.from_url(broker.url)
    async with robots(address, wanted=(), client_id="bridge", on_event=tell) as pool, asyncio.timeout(DEADLINE_S):
        for _ in range(2):  # it comes, goes, and comes again
            async with running(broker, toy):
                name = await told.get()
                session = await pool.get(name).session()
                assert "tools" in session.capabilities
            while pool.online:
                await told.get()
            while not told.empty():
                told.get_nowait()
    assert caplog.text.count("LookupError: nobody listens") >= 3


async def test_at_the_moment_when_a_second_robot_arrives_old_names_go_on_working(
    broker: PrivateBroker, toy: Toy
) -> None:
    nod: Message = {"name": "nod", "inputSchema": {"type": "object"}}
    async with running(broker, toy), raw_agent(broker) as agent:
        running_call = await agent.start("tools/call", {"name": "wait", "arguments": {}})
        await toy.started.get()
        async with scripted_robot(broker, [nod]) as robot:
            robot.on_call = lambda _: [{"result": {"content": []}}]
            await agent.until_tools(KITCHEN | {"scripted__nod"})
            assert sum_in(await agent.call("add", ADD)) == 3
            assert (await agent.call("scripted__nod"))["result"] == {"content": []}
            assert (await agent.call("nod"))["error"] == {
                "code": -32602,
                "message": "The name of the tool 'nod' does not say which robot is meant. Use one of: scripted__nod.",
            }
            toy.release.set()
            assert (await agent.answer(running_call))["result"]["structuredContent"] == {"result": "released"}


async def test_a_tool_says_which_robot_it_belongs_to(broker: PrivateBroker, toy: Toy) -> None:
    nod: Message = {"name": "nod", "title": "Nod", "inputSchema": {"type": "object"}}
    async with running(broker, toy), scripted_robot(broker, [nod]), raw_agent(broker) as agent:
        listed = (await agent.request("tools/list"))["result"]["tools"]
        tools = {tool["name"]: tool for tool in listed}
        assert tools["kitchen__add"]["title"] == "add (kitchen)"
        assert tools["kitchen__add"]["description"] == "On the robot kitchen (robot-1). Add."
        assert tools["scripted__nod"]["title"] == "Nod (scripted)"
        assert tools["scripted__nod"]["description"] == "On the robot scripted (scripted)."


async def test_tools_that_a_robot_changes_are_announced(broker: PrivateBroker) -> None:
    nod: Message = {"name": "nod", "inputSchema": {"type": "object"}}
    async with scripted_robot(broker, [nod]) as robot, raw_agent(broker) as agent:
        await agent.until_tools({"nod"})
        robot.tools = [nod, {"name": "wink", "inputSchema": {"type": "object"}}]
        await robot.say({"method": "notifications/tools/list_changed"})
        await agent.until_tools({"nod", "wink"})


async def test_only_the_robots_asked_for_are_offered(broker: PrivateBroker, toy: Toy) -> None:
    nod: Message = {"name": "nod", "inputSchema": {"type": "object"}}
    async with running(broker, toy), scripted_robot(broker, [nod]):
        for wanted in ("robot-1", "robot-node/kitchen"):
            async with raw_agent(broker, wanted) as agent:
                await agent.until_tools(TOYS)
        async with raw_agent(broker, "robot-1", "tests/scripted") as agent:
            await agent.until_tools(KITCHEN | {"scripted__nod"})


async def test_an_agent_learns_that_another_bridge_takes_the_connection(broker: PrivateBroker, toy: Toy) -> None:
    hint = "Perhaps another client uses the client id bridge: each needs its own."
    slow = Backoff(initial_s=60.0, maximum_s=60.0)
    async with running(broker, toy), raw_agent(broker, backoff=slow) as agent:
        waiting = await agent.start("tools/call", {"name": "wait", "arguments": {}})
        await toy.started.get()
        async with connect(Broker.from_url(broker.url), ConnectOptions("bridge")):
            assert hint in (await agent.answer(waiting))["error"]["message"]
            failed = (await agent.call("add", ADD))["error"]["message"]
            assert "The bridge has no connection to the broker: " in failed
            assert hint in failed
            assert hint in (await agent.call("list_robots"))["result"]["structuredContent"]["reason"]


async def test_list_robots_says_who_is_there(broker: PrivateBroker, toy: Toy) -> None:
    async with raw_agent(broker) as agent:
        nobody = (await agent.call("list_robots"))["result"]
        assert nobody["content"][0]["text"] == f"No robot is online at {broker.url}. The broker is connected."
        assert nobody["structuredContent"] == {"broker": broker.url, "connected": True, "reason": "", "robots": []}
        async with running(broker, toy, description="A toy."):
            await agent.until_tools(TOYS)
            said = (await agent.call("list_robots"))["result"]
            (robot,) = said["structuredContent"]["robots"]
            assert robot["server_id"] == "robot-1"
            assert robot["problem"] == ""
            assert set(robot["tools"]) == TOYS
            assert "robot-1 (robot-node/kitchen): A toy. Its tools: add" in said["content"][0]["text"]


@pytest.mark.slow
async def test_a_robot_that_never_answers_does_not_hold_up_the_others(broker: PrivateBroker, toy: Toy) -> None:
    async with scripted_robot(broker, []) as robot, running(broker, toy):
        robot.deaf = True
        async with raw_agent(broker) as agent:
            assert set(await agent.tools()) == TOYS | {"list_robots"}
            said = (await agent.call("list_robots"))["result"]["structuredContent"]["robots"]
            assert {each["server_id"]: each["problem"] for each in said} == {
                "robot-1": "",
                "scripted": "the session is being opened",
            }


@pytest.mark.own_broker
async def test_without_a_broker_the_bridge_runs_says_why_and_recovers(
    broker: PrivateBroker, tmp_path: Path, toy: Toy
) -> None:
    await broker.stop()
    secret = {
        "ROBOT_NODE_BROKER__URL": f"mqtt://somebody:s3cret@127.0.0.1:{broker.port}",
    }
    async with bridge_process(None, tmp_path, extra=secret) as bridge:
        agent = bridge.agent
        await agent.handshake()
        assert await agent.tools() == ["list_robots"]
        said = (await agent.call("list_robots"))["result"]
        reason = said["structuredContent"]["reason"]
        assert reason.startswith(f"Cannot reach the MQTT broker at {broker.url}: ")
        assert "Connection refused" in reason
        assert reason in said["content"][0]["text"]
        assert "s3cret" not in str(said)
        await broker.start()
        async with running(broker, toy):
            await agent.until_tools(TOYS)
            waiting = await agent.start("tools/call", {"name": "wait", "arguments": {}})
            await toy.started.get()
            await broker.stop()
            assert "robot-1" in (await agent.answer(waiting))["error"]["message"]
            await agent.until_tools(set())
            await broker.start()
            await agent.until_tools(TOYS)
            assert sum_in(await agent.call("add", ADD)) == 3
        assert await bridge.leave() == 0
    assert "s3cret" not in bridge.log


async def test_stdout_carries_messages_only_and_the_log_goes_to_stderr(
    broker: PrivateBroker, tmp_path: Path, toy: Toy
) -> None:
    async with running(broker, toy), bridge_process(broker, tmp_path, "--log-level", "debug") as bridge:
        await bridge.agent.handshake()
        assert sum_in(await bridge.agent.call("add", ADD)) == 3
        await bridge.agent.send({"method": 5})  # what is no message of MCP doesn't end it either
        assert sum_in(await bridge.agent.call("add", ADD)) == 3
        assert await bridge.leave() == 0
    assert "Directory connection" in bridge.log


async def test_a_signal_ends_the_bridge_also_while_it_waits_for_its_agent(
    broker: PrivateBroker, tmp_path: Path, toy: Toy
) -> None:
    async with running(broker, toy), bridge_process(broker, tmp_path) as bridge:
        await bridge.agent.handshake()
        waiting = asyncio.create_task(bridge.agent.call("wait"))
        await toy.started.get()
        assert await bridge.terminate() == 0
        assert await asyncio.wait_for(toy.ended.get(), DEADLINE_S) == " cancelled"
        waiting.cancel()
    assert "Traceback" not in bridge.log


async def test_an_agent_that_is_gone_at_once_leaves_nothing_behind(broker: PrivateBroker, tmp_path: Path) -> None:
    async with bridge_process(broker, tmp_path) as bridge:
        assert await bridge.leave() == 0
    assert bridge.log == ""


async def test_there_is_a_limit_to_how_many_robots_one_bridge_serves(broker: PrivateBroker) -> None:
    async def ignore(*_: object) -> None:
        pass

    pool = Robots(Broker.from_url(broker.url), [], ignore)
    async with directory(Broker.from_url(broker.url)) as pool.servers:
        await pool.update([OnlineServer(f"robot-{number}", f"many/{number}") for number in range(MAX_ROBOTS + 2)])
        pool.on_status(LinkStatus(connected=True))
        said = describe(pool, ToolNames({}, RobotNames()), RobotNames())["content"][0]["text"]
        assert said.startswith("64 online at ")
        assert said.endswith("2 more are online. The bridge serves at most 64: choose them with --robot.")
        await pool.close()
