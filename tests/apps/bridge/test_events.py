"""One wait over all robots: nothing is lost, nothing comes twice, whoever comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.server import MCPServer

from robot_node.apps.bridge.cursor import MAX_CHARACTERS, Cursor
from robot_node.apps.bridge.events import RobotEvents
from robot_node.apps.bridge.naming import RobotNames
from robot_node.apps.bridge.robots import robots
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.events import EventLog
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName
from robot_node.mqtt import Broker
from robot_node.tools.events import offer_events
from tests.apps.bridge.agents import Message, RawAgent, raw_agent, scripted_robot
from tests.mcp_mqtt.toys import Running, Toy, running
from tests.waiting import DEADLINE_S, eventually

KITCHEN, GARAGE = ServerName("kitchen", "home/kitchen"), ServerName("garage", "home/garage")


class Log(EventLog):
    """Events of a robot, and how many listen."""

    listening = 0

    def listen(self, listener: Any) -> Any:
        self.listening += 1
        stop = super().listen(listener)

        def stopped() -> None:
            self.listening -= 1
            stop()

        return stopped


def robot_with(events: EventLog) -> Toy:
    server = MCPServer("events")
    offer_events(server, events)
    return Toy(server)


@contextlib.asynccontextmanager
async def robot(broker: PrivateBroker, name: ServerName, events: EventLog) -> AsyncIterator[Running]:
    async with running(broker, robot_with(events), server_id=name.server_id, server_name=name.server_name) as server:
        yield server


async def read(agent: RawAgent, tool: str = "get_events", **arguments: Any) -> Message:
    return result_in(await agent.call(tool, arguments))


def result_in(answer: Message) -> Message:
    result = answer["result"]
    assert not result.get("isError"), result
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    page: Message = result["structuredContent"]
    assert "not_read" not in page, page
    return page


def texts(page: Message) -> list[tuple[str, str]]:
    return [(event["robot"], event["text"]) for event in page["events"]]


async def start_wait(agent: RawAgent, **arguments: Any) -> int:
    params = {"name": "wait_for_event", "arguments": arguments, "_meta": {"progressToken": "p"}}
    return await agent.start("tools/call", params)


async def sources(agent: RawAgent, *names: str) -> None:
    """Wait until the bridge reads the events of these robots."""
    while True:
        listed = {tool["name"]: tool for tool in (await agent.request("tools/list"))["result"]["tools"]}
        if "wait_for_event" in listed:
            found = listed["wait_for_event"]["inputSchema"]["properties"].get("robot", {}).get("enum", [*names[:1]])
            if found == sorted(names):
                return
        await agent.notified("notifications/tools/list_changed")


async def test_there_is_one_wait_over_all_robots_and_its_cursor_covers_all(broker: PrivateBroker) -> None:
    kitchen, garage = Log(start="a"), Log(start="b")
    kitchen.add("input", "before")
    async with robot(broker, KITCHEN, kitchen), robot(broker, GARAGE, garage), raw_agent(broker) as agent:
        await sources(agent, "garage", "kitchen")
        names = await agent.tools()
        assert sorted(names) == ["get_events", "list_robots", "wait_for_event"]
        waiting = await start_wait(agent, timeout_s=600)
        await eventually(lambda: garage.listening and kitchen.listening)
        garage.add("input", "pressed")
        page = result_in(await agent.answer(waiting))
        assert texts(page) == [("garage", "pressed")]
        kitchen.add("heard", "hello")
        garage.add("input", "again")
        page = await read(agent, "wait_for_event", after=page["cursor"])
        more = await read(agent, after=page["cursor"])
        assert sorted(texts(page) + texts(more)) == [("garage", "again"), ("kitchen", "hello")]
        assert texts(await read(agent, after=more["cursor"])) == []
        only = await read(agent, after="", robot="kitchen", kinds=["heard"])
        assert texts(only) == [("kitchen", "hello")]
        assert texts(await read(agent, after=only["cursor"])) == []
        await eventually(lambda: not (garage.listening or kitchen.listening), "the other robot's wait is over, too")


async def test_with_one_robot_it_is_the_same_and_a_second_one_joins_the_wait(broker: PrivateBroker) -> None:
    kitchen, garage = Log(start="a"), Log(start="b")
    garage.add("input", "long before it came online")
    async with robot(broker, KITCHEN, kitchen), raw_agent(broker) as agent:
        await sources(agent, "kitchen")
        page = await read(agent)
        waiting = await start_wait(agent, after=page["cursor"], timeout_s=600)
        await eventually(lambda: kitchen.listening)
        async with robot(broker, GARAGE, garage):
            await eventually(lambda: garage.listening, "the wait includes the robot that came later")
            garage.add("input", "pressed")
            page = result_in(await agent.answer(waiting))
            assert texts(page) == [("garage", "pressed")]
            kitchen.add("input", "in the kitchen")
            page = await read(agent, after=page["cursor"])
            assert texts(page) == [("kitchen", "in the kitchen")]


async def test_what_happens_at_a_robot_that_is_offline_comes_later_once(broker: PrivateBroker) -> None:
    kitchen, garage = Log(start="a"), Log(start="b")
    async with robot(broker, KITCHEN, kitchen), raw_agent(broker) as agent:
        async with robot(broker, GARAGE, garage):
            await sources(agent, "garage", "kitchen")
            cursor = (await read(agent))["cursor"]
        garage.add("input", "while it was offline")
        kitchen.add("input", "meanwhile")
        await sources(agent, "kitchen")
        page = await read(agent, after=cursor)
        assert texts(page) == [("kitchen", "meanwhile")]
        waiting = await start_wait(agent, after=page["cursor"], timeout_s=600)
        await eventually(lambda: kitchen.listening)
        async with robot(broker, GARAGE, garage):
            page = result_in(await agent.answer(waiting))
            assert texts(page) == [("garage", "while it was offline")]
            assert texts(await read(agent, after=page["cursor"])) == []
        restarted = Log(start="c")
        restarted.add("robot", "The robot has started.")
        async with robot(broker, GARAGE, restarted):
            page = await read(agent, "wait_for_event", after=page["cursor"], timeout_s=600)
            assert texts(page) == [("garage", "The robot has started.")]
            assert page["missed"].startswith("garage: The robot has been restarted since")


async def test_a_cursor_survives_the_bridge(broker: PrivateBroker) -> None:
    kitchen = Log(start="a")
    async with robot(broker, KITCHEN, kitchen):
        async with raw_agent(broker) as agent:
            await sources(agent, "kitchen")
            cursor = (await read(agent))["cursor"]
        kitchen.add("input", "pressed")
        async with raw_agent(broker) as agent:
            await sources(agent, "kitchen")
            assert texts(await read(agent, after=cursor)) == [("kitchen", "pressed")]


async def test_pages_have_no_more_than_the_limit_and_lose_nothing(broker: PrivateBroker) -> None:
    kitchen, garage = Log(start="a"), Log(start="b")
    async with robot(broker, KITCHEN, kitchen), robot(broker, GARAGE, garage), raw_agent(broker) as agent:
        await sources(agent, "garage", "kitchen")
        cursor = (await read(agent))["cursor"]
        for number in range(7):
            kitchen.add("input", f"k{number}")
        garage.add("input", "g0")
        found = []
        for _ in range(4):
            page = await read(agent, after=cursor, limit=4)
            assert len(page["events"]) <= 4
            found += texts(page)
            cursor = page["cursor"]
        assert sorted(found) == [("garage", "g0"), *(("kitchen", f"k{number}") for number in range(7))]


async def test_a_wait_ends_with_the_agents_session(broker: PrivateBroker) -> None:
    kitchen = Log(start="a")
    async with robot(broker, KITCHEN, kitchen):
        async with raw_agent(broker) as agent:
            await sources(agent, "kitchen")
            number = await start_wait(agent, timeout_s=600)
            await eventually(lambda: kitchen.listening)
            await agent.send({"method": "notifications/cancelled", "params": {"requestId": number}})
            await eventually(lambda: not kitchen.listening, "the wait that was cancelled is over")
            await start_wait(agent, timeout_s=600)
            await eventually(lambda: kitchen.listening)
        await eventually(lambda: not kitchen.listening, "the wait is over with the session")


async def test_a_wait_sends_progress_to_the_agent_that_wants_it(broker: PrivateBroker) -> None:
    async with raw_agent(broker, progress_every_s=0.01) as agent:
        number = await start_wait(agent, timeout_s=600)  # its progress token is "p"
        for _ in range(2):
            progress = (await agent.notified("notifications/progress"))["params"]
            assert progress["progressToken"] == "p"
            assert 0 < progress["progress"] < progress["total"] == 600
        await agent.send({"method": "notifications/cancelled", "params": {"requestId": number}})


async def test_progress_keeps_a_host_from_giving_up_and_without_robots_the_wait_goes_on(broker: PrivateBroker) -> None:
    seen: asyncio.Queue[tuple[float, float]] = asyncio.Queue()

    async def tell(done: float, total: float) -> None:
        seen.put_nowait((done, total))

    async def on_event(*_: object) -> None:
        """Nobody is told."""

    pool = robots(Broker.from_url(broker.url), wanted=(), client_id="bridge", on_event=on_event)
    async with pool as found, asyncio.timeout(DEADLINE_S):
        events = RobotEvents(lambda: found, RobotNames(), progress_every_s=0.01)
        waiting = asyncio.create_task(events.wait("", [], 600, tell=tell))
        (first, total), (second, _) = await seen.get(), await seen.get()
        assert 0 < first < second < total == 600
        kitchen = Log(start="a")
        async with robot(broker, KITCHEN, kitchen):
            await eventually(lambda: kitchen.listening)
            kitchen.add("input", "pressed")
            assert [event["text"] for event in (await waiting)["events"]] == ["pressed"]


TOOLS: list[Message] = [
    {"name": name, "inputSchema": {"type": "object", "properties": {key: {} for key in ["after", "kinds", each]}}}
    for name, each in (("get_events", "limit"), ("wait_for_event", "timeout_s"))
]


@pytest.mark.parametrize(
    "result",
    [
        {"content": [{"type": "text", "text": "No.\nYes."}], "isError": True},
        {"content": []},
        {"content": [], "structuredContent": {"events": [], "cursor": "no cursor~" * 20}},
        {"content": [], "structuredContent": {"events": "none", "cursor": "a.1"}},
    ],
)
async def test_a_robot_that_answers_nonsense_costs_the_others_nothing(broker: PrivateBroker, result: Message) -> None:
    kitchen = Log(start="a")
    kitchen.add("input", "pressed")
    evil = scripted_robot(broker, TOOLS, server_id="evil", server_name="home/evil")
    async with robot(broker, KITCHEN, kitchen), evil as stranger, raw_agent(broker) as agent:
        stranger.on_call = lambda _: [{"result": result}]
        await sources(agent, "evil", "kitchen")
        page = (await agent.call("get_events"))["result"]["structuredContent"]
        assert texts(page) == [("kitchen", "pressed")]
        assert [line.partition(":")[0] for line in page["not_read"]] == ["evil"]
        assert len(page["not_read"][0].splitlines()) == 1
        waited = (await agent.call("wait_for_event", {"after": page["cursor"], "timeout_s": 0}))["result"]
        assert waited["structuredContent"]["events"] == []


async def test_events_of_a_stranger_are_bounded_lines_under_its_own_name(broker: PrivateBroker) -> None:
    event = {"robot": "kitchen", "text": "a\nb\u202e" + "x" * 5000, "kind": 5, "by": ["me"], "more": "y" * 1000}
    answer = {"content": [], "structuredContent": {"events": [event, "none"] * 300, "cursor": "a.1"}}
    async with scripted_robot(broker, TOOLS, server_id="evil", server_name="home/evil") as evil:
        evil.on_call = lambda _: [{"result": answer}]
        async with raw_agent(broker) as agent:
            await sources(agent, "evil")
            page = await read(agent)
    assert len(page["events"]) <= 200
    assert page["events"][0].keys() == {"robot", "text"}
    assert page["events"][0]["robot"] == "evil"
    assert page["events"][0]["text"].startswith(r"a\nb\u202exxx")
    assert len(page["events"][0]["text"]) < 600


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"after": "a.17"}, "after is not a cursor of this tool"),
        ({"robot": "cellar"}, "No robot is called cellar. Robots with events: kitchen."),
        ({"limit": 0}, "limit: Input should be greater than or equal to 1"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
async def test_wrong_arguments_are_explained(broker: PrivateBroker, arguments: Message, reason: str) -> None:
    async with robot(broker, KITCHEN, Log()), raw_agent(broker) as agent:
        await sources(agent, "kitchen")
        result = (await agent.call("get_events", arguments))["result"]
        assert result["isError"]
        assert reason in result["content"][0]["text"]


def test_a_cursor_is_bounded_whatever_robots_choose() -> None:
    crowd = {ServerName(f"r{number}", "a/b"): "x" * 64 for number in range(500)}
    cursor = Cursor().moved({KITCHEN: "a.1"}).moved(crowd)
    assert len(str(cursor)) <= MAX_CHARACTERS
    again = Cursor.parse(str(cursor)).moved({KITCHEN: "a.2", GARAGE: "no~cursor"})
    assert again.of(KITCHEN) == "a.2"
    assert again.of(GARAGE) == ""
    assert str(Cursor.parse(str(again))) == str(again)
    for text in ("nonsense", "~", str(cursor) * 2):
        with pytest.raises(RemoteError):
            Cursor.parse(text)


async def test_a_robot_can_ask_the_agent_that_calls_while_others_wait(broker: PrivateBroker) -> None:
    nod: Message = {"name": "nod", "inputSchema": {"type": "object"}}
    question = {"message": "Nod?", "requestedSchema": {"type": "object", "properties": {}}}
    page = {"content": [], "structuredContent": {"events": [], "cursor": "a.1"}}

    def on_call(call: Message) -> list[Message]:
        if call["params"]["name"] == "wait_for_event":
            return []  # it waits
        if call["params"]["name"] == "get_events":
            return [{"result": page}]
        return [{"method": "elicitation/create", "id": 1, "params": question}]

    async with (
        scripted_robot(broker, [*TOOLS, nod], server_id="asks", server_name="home/asks") as asks,
        raw_agent(broker, capabilities={"elicitation": {}}) as agent,
    ):
        asks.on_call = on_call
        await sources(agent, "asks")
        agent.answer_to = lambda _: {"result": {"action": "accept", "content": {}}}
        await start_wait(agent, timeout_s=600)
        await asks.until(lambda message: message.get("params", {}).get("name") == "wait_for_event")
        await agent.start("tools/call", {"name": "nod", "arguments": {}})
        answer = await asks.until(lambda message: message.get("id") == 1 and "method" not in message)
        assert answer["result"]["action"] == "accept"
