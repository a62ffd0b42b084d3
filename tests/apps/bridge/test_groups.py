"""Tools that several robots have in common are listed once, and a name still never changes its meaning."""

from __future__ import annotations

from typing import Any

import pytest

from robot_node.apps.bridge.groups import Groups, common, with_robot
from robot_node.apps.bridge.naming import Offer, RobotNames
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName
from tests.apps.bridge.agents import Message, raw_agent, scripted_robot

KITCHEN = ServerName("robot-1", "home/kitchen")
GARAGE = ServerName("robot-2", "home/garage")
STRANGER = ServerName("robot-3", "home/robots")
NOD: dict[str, Any] = {
    "name": "nod",
    "description": "Nod.",
    "inputSchema": {"type": "object", "properties": {"times": {"type": "integer"}}, "required": ["times"]},
}


class Seen:
    """What an agent sees in the course of its session."""

    def __init__(self) -> None:
        self.names = RobotNames()
        self.groups = Groups(self.names)

    def common(self, tools: dict[ServerName, list[dict[str, Any]]]) -> dict[Offer, str]:
        self.names.show(tools)
        return common(tools, self.groups)


def test_a_tool_is_listed_once_only_where_it_is_the_same() -> None:
    other = NOD | {"description": "Nod twice."}
    assert Seen().common({KITCHEN: [NOD], GARAGE: [NOD]}) == {
        Offer(KITCHEN, "nod"): "robots__nod",
        Offer(GARAGE, "nod"): "robots__nod",
    }
    assert Seen().common({KITCHEN: [NOD], GARAGE: [other]}) == {}
    for schema in (
        {"type": "object", "properties": {"robot": {"type": "string"}}},
        {"type": "object", "anyOf": [{"required": ["a"]}]},
    ):
        odd = NOD | {"inputSchema": schema}
        assert Seen().common({KITCHEN: [odd], GARAGE: [odd]}) == {}
    for name in ("a.b", "kitchen__nod", "x" * 60):
        odd = NOD | {"name": name}
        assert Seen().common({KITCHEN: [odd], GARAGE: [odd]}) == {}


def test_its_argument_names_the_robots() -> None:
    assert with_robot(NOD, ["garage", "kitchen"])["inputSchema"] == {
        "type": "object",
        "properties": {"robot": {"type": "string", "enum": ["garage", "kitchen"]}, "times": {"type": "integer"}},
        "required": ["robot", "times"],
    }


def test_a_robot_that_comes_later_is_in_no_group_that_was_shown_before() -> None:
    seen = Seen()
    seen.common({KITCHEN: [NOD], GARAGE: [NOD]})
    all_three = {KITCHEN: [NOD], GARAGE: [NOD], STRANGER: [NOD]}
    assert set(seen.common(all_three).values()) == {"robots-2__nod"}
    offered = {key: ["nod"] for key in all_three}
    stranger = seen.names.prefix(STRANGER)
    assert stranger not in {"robots", "robots-2"}
    with pytest.raises(RemoteError, match=f"not for the robot {stranger}.*Give robot as one of: garage,"):
        seen.groups.resolve("robots__nod", {"robot": stranger}, offered)
    found = seen.groups.resolve("robots-2__nod", {"robot": stranger, "times": 2}, offered)
    assert found == (Offer(STRANGER, "nod"), {"times": 2})
    assert set(seen.common({KITCHEN: [NOD], GARAGE: [NOD]}).values()) == {"robots__nod"}


def test_a_call_that_names_no_robot_or_one_without_the_tool_is_refused() -> None:
    seen = Seen()
    seen.common({KITCHEN: [NOD], GARAGE: [NOD]})
    for arguments, offered, reason in (
        ({}, {KITCHEN: ["nod"], GARAGE: ["nod"]}, "does not say which robot is meant"),
        ({"robot": "garage"}, {KITCHEN: ["nod"]}, "garage is offline"),
        ({"robot": "garage"}, {KITCHEN: ["nod"], GARAGE: []}, "garage has no such tool"),
    ):
        with pytest.raises(RemoteError, match=reason):
            seen.groups.resolve("robots__nod", arguments, offered)
    assert seen.groups.resolve("kitchen__nod", {"robot": "kitchen"}, {KITCHEN: ["nod"]}) is None


def test_groups_without_end_cost_no_memory() -> None:
    names = RobotNames()
    groups = Groups(names)
    prefixes = [groups.prefix(frozenset({KITCHEN, ServerName(f"r{n}", "a/b")})) for n in range(100)]
    assert len(set(prefixes)) == 65
    assert prefixes[-1] == ""


async def test_the_robot_that_is_named_is_called_without_the_argument(broker: PrivateBroker) -> None:
    async with (
        scripted_robot(broker, [NOD], server_id="one", server_name="home/one") as one,
        scripted_robot(broker, [NOD], server_id="two", server_name="home/two") as two,
        raw_agent(broker) as agent,
    ):
        answer: Message = {"result": {"content": [{"type": "text", "text": "one"}]}}
        one.on_call = lambda _: [answer]
        two.on_call = lambda _: [{"result": {"content": [{"type": "text", "text": "two"}]}}]
        await agent.until_tools({"robots__nod"})
        answer = await agent.call("robots__nod", {"robot": "two", "times": 3})
        assert answer["result"]["content"][0]["text"] == "two"
        called = await two.until(lambda message: message.get("method") == "tools/call")
        assert called["params"]["arguments"] == {"times": 3}
        overview = (await agent.call("list_robots"))["result"]["structuredContent"]["robots"]
        assert [(robot["robot"], robot["tools"]) for robot in overview] == [
            ("one", ["robots__nod"]),
            ("two", ["robots__nod"]),
        ]
        refused = await agent.call("robots__nod", {"times": 3})
        assert "Give robot as one of: one, two." in refused["error"]["message"]
