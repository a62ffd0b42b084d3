"""Resources of one robot and of several: listed, read and followed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.apps.bridge.agents import Message, RawAgent, ScriptedRobot, raw_agent, scripted_robot

UPDATED = "notifications/resources/updated"
LIGHT = "room://light"
LISTED: Message = {"uri": LIGHT, "name": "light", "x-own": None}
TEMPLATE: Message = {"uriTemplate": "room://history{?after}", "name": "history", "description": "What was."}
RESULTS: dict[str, Message] = {
    "resources/list": {"resources": [LISTED]},
    "resources/templates/list": {"resourceTemplates": [TEMPLATE]},
    "resources/read": {"contents": [{"uri": LIGHT, "text": "on", "x-own": [None]}], "x-unknown": 1},
    "resources/subscribe": {},
    "resources/unsubscribe": {},
}


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[ScriptedRobot]:
    async with scripted_robot(broker, [], results=RESULTS) as scripted:
        yield scripted


@pytest.fixture
async def agent(broker: PrivateBroker, robot: ScriptedRobot) -> AsyncIterator[RawAgent]:  # noqa: ARG001  # it is there first
    async with raw_agent(broker) as raw:
        yield raw


@contextlib.asynccontextmanager
async def another(broker: PrivateBroker, agent: RawAgent) -> AsyncIterator[ScriptedRobot]:
    async with scripted_robot(broker, [], server_id="two", server_name="tests/two", results=RESULTS) as scripted:
        while len((await agent.request("resources/list"))["result"]["resources"]) < 2:
            await agent.notified("notifications/resources/list_changed")
        yield scripted


async def test_those_of_one_robot_pass_as_they_are(agent: RawAgent) -> None:
    assert (await agent.request("resources/list"))["result"] == RESULTS["resources/list"]
    assert (await agent.request("resources/templates/list"))["result"] == RESULTS["resources/templates/list"]
    assert (await agent.request("resources/read", {"uri": LIGHT}))["result"] == RESULTS["resources/read"]


async def test_those_of_several_robots_are_told_apart_by_their_address(
    broker: PrivateBroker, agent: RawAgent, robot: ScriptedRobot
) -> None:
    assert (await agent.request("resources/read", {"uri": LIGHT}))["result"] == RESULTS["resources/read"]
    async with another(broker, agent) as second:
        listed = (await agent.request("resources/list"))["result"]["resources"]
        assert [resource["uri"] for resource in listed] == [f"bridge://{name}/{LIGHT}" for name in ("scripted", "two")]
        assert [resource["title"] for resource in listed] == ["light (scripted)", "light (two)"]
        templates = (await agent.request("resources/templates/list"))["result"]["resourceTemplates"]
        assert templates[1]["uriTemplate"] == "bridge://two/room://history{?after}"
        assert templates[1]["description"] == "On the robot two (two). What was."
        read = (await agent.request("resources/read", {"uri": f"bridge://scripted/{LIGHT}"}))["result"]
        assert read == RESULTS["resources/read"] | {
            "contents": [{"uri": f"bridge://scripted/{LIGHT}", "text": "on", "x-own": [None]}]
        }
        asked = await robot.until(lambda message: message["method"] == "resources/read")
        assert asked["params"] == {"uri": LIGHT}
        second.results = RESULTS | {"resources/read": {"contents": [{"uri": LIGHT, "text": "off"}]}}
        # The address without a robot goes on meaning the one that it has meant before.
        assert (await agent.request("resources/read", {"uri": LIGHT}))["result"] == RESULTS["resources/read"]


async def test_updates_come_under_the_address_that_was_subscribed_to(
    broker: PrivateBroker, agent: RawAgent, robot: ScriptedRobot
) -> None:
    await agent.request("resources/subscribe", {"uri": LIGHT})
    assert (await robot.until(lambda message: message["method"] == "resources/subscribe"))["params"] == {"uri": LIGHT}
    await robot.announce(UPDATED, {"uri": LIGHT})
    assert (await agent.notified(UPDATED))["params"]["uri"] == LIGHT
    async with another(broker, agent) as second:
        await agent.request("resources/subscribe", {"uri": f"bridge://two/{LIGHT}"})
        await second.announce(UPDATED, {"uri": LIGHT})
        assert (await agent.notified(UPDATED))["params"]["uri"] == f"bridge://two/{LIGHT}"
        await robot.announce(UPDATED, {"uri": LIGHT})
        assert (await agent.notified(UPDATED))["params"]["uri"] == LIGHT


async def test_a_robot_is_not_followed_when_nobody_wants_it_any_longer(agent: RawAgent, robot: ScriptedRobot) -> None:
    await agent.request("resources/subscribe", {"uri": LIGHT})
    await agent.request("resources/unsubscribe", {"uri": LIGHT})
    await robot.announce(UPDATED, {"uri": LIGHT})
    await robot.until(lambda message: message["method"] == "resources/unsubscribe")
    await agent.request("resources/subscribe", {"uri": LIGHT})
    await robot.announce(UPDATED, {"uri": LIGHT})
    await agent.notified(UPDATED)


async def test_what_nobody_wants_any_longer_does_not_use_up_the_subscriptions_that_a_robot_grants(
    agent: RawAgent, robot: ScriptedRobot
) -> None:
    for number in range(3):
        uri = f"room://history?after={number}"
        await agent.request("resources/subscribe", {"uri": uri})
        await agent.request("resources/unsubscribe", {"uri": uri})
    for number in range(2):
        given_up = await robot.until(lambda message: message["method"] == "resources/unsubscribe")
        assert given_up["params"] == {"uri": f"room://history?after={number}"}


async def test_a_new_session_with_the_robot_keeps_the_subscriptions(agent: RawAgent, robot: ScriptedRobot) -> None:
    await agent.request("resources/subscribe", {"uri": LIGHT})
    await robot.until(lambda message: message["method"] == "resources/subscribe")
    await robot.say({"method": "notifications/disconnected"})
    await robot.until(lambda message: message["method"] == "resources/subscribe")
    # told once without a change: there may have been one in between
    assert (await agent.notified(UPDATED))["params"]["uri"] == LIGHT


@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
async def test_what_nobody_offers_is_an_error(agent: RawAgent, method: str) -> None:
    refused = (await agent.request(method, {"uri": "bridge://nobody/room://light"}))["error"]
    assert refused["message"].startswith("No online robot has the resource bridge://nobody/room://light.")


async def test_a_robot_that_refuses_a_list_still_offers_the_others(broker: PrivateBroker) -> None:
    nod: Message = {"name": "nod", "inputSchema": {"type": "object"}}
    refusal = {"error": {"code": -32014, "message": "The role viewer may not use this."}}
    async with scripted_robot(broker, [nod], results={}) as robot, raw_agent(broker) as agent:
        robot.refusals = {"resources/list": refusal, "resources/templates/list": refusal}
        assert set(await agent.tools()) == {"nod", "list_robots"}
        robot.refusals |= {"tools/list": refusal}
        await robot.say({"method": "notifications/tools/list_changed"})
        await agent.until_tools(set())
        (told,) = (await agent.call("list_robots"))["result"]["structuredContent"]["robots"]
        assert told["problem"] == "The role viewer may not use this"
