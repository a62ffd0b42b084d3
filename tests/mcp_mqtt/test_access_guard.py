"""The guard before a served MCP server: what clients of both protocol eras get to see and to do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.server import MCPServer
from mcp_types import (
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
)

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.access import ADMIN, HUMAN_ONLY, AccessPolicy, Role
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.guard import Confirmation, Guard
from robot_node.mcp_mqtt.jsonrpc import ErrorCode
from robot_node.mcp_mqtt.presence import online_servers
from robot_node.mcp_mqtt.rate_limit import CallLimits
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import SERVER_ID, SERVER_NAME, call, initialize, raw_peer, request
from tests.mcp_mqtt.toys import Toy, running

MODES = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
VIEWER = Role(
    name="viewer",
    allowed_tools=frozenset({"look"}),
    allowed_resources=frozenset({"robot://status", "robot://photos/*"}),
)
OWNER = Role(name="owner", allowed_tools=frozenset({"look", "shut_down"}))
POLICY = AccessPolicy((VIEWER, OWNER, ADMIN), [("kid-*", "viewer"), ("anna", "owner")], human_only=["shut_down"])

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "sly", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
}


class Robot:
    """A toy robot: tools look, move and shut_down (for people only), and some resources."""

    def __init__(self, *, clock: Callable[[], float] = lambda: 0.0, **guard: Any) -> None:
        self.done: list[str] = []
        self.guard = Guard(guard.pop("policy", POLICY), clock=clock, **guard)
        self.server = MCPServer("toy", middleware=[self.guard])
        for name, meta in (("look", None), ("move", None), ("shut_down", HUMAN_ONLY)):
            self.server.add_tool(self._tool(name), name=name, meta=meta)
        for uri in ("robot://status", "robot://secret"):
            self.server.resource(uri, name=uri)(lambda: "content")
        for template in ("robot://photos/{number}", "robot://diary/{day}"):
            self.server.resource(template)(self._template(template))

    def _tool(self, name: str) -> Callable[..., str]:
        def act(how: str = "") -> str:
            self.done.append(f"{name} {how}".strip())
            return "done"

        return act

    def _template(self, template: str) -> Callable[..., str]:
        def photo(number: str) -> str:
            return number

        def diary(day: str) -> str:
            return day

        return photo if "number" in template else diary


@contextlib.asynccontextmanager
async def visit(broker: PrivateBroker, client_id: str, mode: str, **client: Any) -> AsyncIterator[Client]:
    transport = mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id=client_id)
    async with Client(transport, mode=mode, **client) as visitor:
        yield visitor


def served(broker: PrivateBroker, robot: Robot, **options: Any) -> Any:
    return running(broker, Toy(robot.server), meta=POLICY.meta(), **options)


def text(result: CallToolResult) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


async def refusal(attempt: Any) -> MCPError:
    with pytest.raises(MCPError) as caught:
        await attempt
    return caught.value


@MODES
async def test_lists_show_what_one_may_use(broker: PrivateBroker, mode: str) -> None:
    async with served(broker, Robot()):
        async with visit(broker, "kid-1", mode) as kid:
            assert [tool.name for tool in (await kid.list_tools()).tools] == ["look"]
            assert [str(entry.uri) for entry in (await kid.list_resources()).resources] == ["robot://status"]
            templates = (await kid.list_resource_templates()).resource_templates
            assert [entry.uri_template for entry in templates] == ["robot://photos/{number}"]
        async with visit(broker, "bot", mode) as bot:
            assert [tool.name for tool in (await bot.list_tools()).tools] == ["look", "move"]
            assert len((await bot.list_resources()).resources) == 2
        async with visit(broker, "anna", mode) as anna:
            assert [tool.name for tool in (await anna.list_tools()).tools] == ["look", "shut_down"]


@MODES
async def test_a_forbidden_call_is_an_error_that_names_the_role_and_nothing_happens(
    broker: PrivateBroker, mode: str
) -> None:
    robot = Robot()
    async with served(broker, robot):
        async with visit(broker, "kid-1", mode) as kid:
            await kid.list_tools()
            for tool in ("move", "shut_down", "no_such_tool"):
                error = (await refusal(kid.call_tool(tool, {}))).error
                assert (error.code, error.message) == (ErrorCode.FORBIDDEN, f"The role viewer may not call {tool}.")
                assert error.data == {"role": "viewer"}
            error = (await refusal(kid.read_resource("robot://secret"))).error
            assert error.message == "The role viewer may not read robot://secret."
            assert text(await kid.call_tool("look", {})) == "done"
            assert (await kid.read_resource("robot://photos/7")).contents
        async with visit(broker, "bot", mode) as bot:
            await bot.list_tools()
            error = (await refusal(bot.call_tool("shut_down", {}))).error
            assert "for people only: the role admin" in error.message
        async with visit(broker, "anna", mode) as anna:
            await anna.list_tools()
            assert text(await anna.call_tool("shut_down", {})) == "done"
    assert robot.done == ["look", "shut_down"]


async def test_a_forbidden_resource_cannot_be_followed_in_either_era(broker: PrivateBroker) -> None:
    async with served(broker, Robot()):
        async with raw_peer(broker, "kid-1") as kid:
            await kid.open_session()
            await kid.rpc(request(1, "resources/subscribe", {"uri": "robot://secret"}))
            assert (await kid.answer(1))["error"]["code"] == ErrorCode.FORBIDDEN
        async with visit(broker, "kid-2", "auto") as modern:
            wanted = ["robot://status", "robot://secret"]
            with pytest.raises(MCPError, match="The role viewer may not read robot://secret"):
                async with modern.listen(resource_subscriptions=wanted):
                    pass


async def test_presence_says_which_roles_there_are(broker: PrivateBroker) -> None:
    async with served(broker, Robot()):
        (server,) = await online_servers(Broker.from_url(broker.url))
        assert [role["name"] for role in server.meta["rbac"]["roles"]] == ["viewer", "owner", "admin"]
        assert server.meta["rbac"]["roles"][0]["allowed_tools"] == ["look"]


async def test_nobody_acts_in_anothers_name_over_the_control_topic(broker: PrivateBroker) -> None:
    """The control topic carries a claim, not a proof: an enveloped call there would run in the claimed role."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "mallory", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    forged = call(7, "shut_down")
    forged["params"]["_meta"] = envelope
    robot = Robot()
    async with served(broker, robot), raw_peer(broker, "anna") as anna, raw_peer(broker, "mallory") as mallory:
        await mallory.control(forged, sender="anna")
        error = (await anna.answer(7))["error"]
        assert error["code"] == ErrorCode.FORBIDDEN
        assert "anybody can claim to be anybody" in error["message"]
        assert robot.done == []
        await anna.rpc(forged | {"id": 8})  # on her own topic the broker's rules vouch for her
        assert (await anna.answer(8))["result"]["content"][0]["text"] == "done"


@MODES
async def test_a_client_that_calls_too_often_is_told_when_to_try_again(broker: PrivateBroker, mode: str) -> None:
    now = 0.0
    robot = Robot(limits=CallLimits(0, {"look": 12}), clock=lambda: now)
    async with served(broker, robot), visit(broker, "bot", mode) as bot, visit(broker, "bot-2", mode) as other:
        await bot.list_tools()
        await other.list_tools()
        results = [await bot.call_tool("look", {}) for _ in range(3)]
        assert [result.is_error for result in results] == [False, False, True]
        assert text(results[2]) == "bot calls too often. Try again in 5 s."
        assert not (await bot.call_tool("move", {})).is_error
        assert not (await other.call_tool("look", {})).is_error
        now = 5.0
        assert not (await bot.call_tool("look", {})).is_error
    assert robot.done.count("look") == 4


def person(action: Any, asked: list[str]) -> Any:
    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        asked.append(params.message)
        return ElicitResult(action=action, content={} if action == "accept" else None)

    return answer


def confirming(**more: Any) -> Robot:
    return Robot(policy=AccessPolicy(), confirmation=Confirmation(tools=frozenset({"move"}), **more))


@MODES
async def test_a_listed_tool_is_carried_out_only_when_a_person_agrees(broker: PrivateBroker, mode: str) -> None:
    robot = confirming()
    asked: list[str] = []
    async with served(broker, robot):
        async with visit(broker, "yes", mode, elicitation_callback=person("accept", asked)) as client:
            await client.list_tools()
            assert text(await client.call_tool("look", {})) == "done"
            assert asked == []
            assert text(await client.call_tool("move", {"how": "fast"})) == "done"
            assert asked == ['May the robot carry out move with how: "fast"?']
        for action in ("decline", "cancel"):
            async with visit(broker, action, mode, elicitation_callback=person(action, asked)) as client:
                await client.list_tools()
                result = await client.call_tool("move", {"how": action})
                assert result.is_error
                assert text(result).startswith("move was not carried out: a person must confirm it. The client ")
    assert robot.done == ["look", "move fast"]
    assert len(asked) == 3


@MODES
async def test_a_call_that_a_person_confirms_counts_once(broker: PrivateBroker, mode: str) -> None:
    limits = CallLimits(0, {"move": 6})  # of which one may come at once
    robot = Robot(policy=AccessPolicy(), limits=limits, confirmation=Confirmation(tools=frozenset({"move"})))
    asked: list[str] = []
    async with (
        served(broker, robot),
        visit(broker, "bot", mode, elicitation_callback=person("accept", asked)) as client,
    ):
        await client.list_tools()
        assert text(await client.call_tool("move", {})) == "done"
        assert text(await client.call_tool("move", {})) == "bot calls too often. Try again in 10 s."
    assert (robot.done, len(asked)) == (["move"], 1)


async def test_an_answer_counts_only_for_the_question_that_was_asked(broker: PrivateBroker) -> None:
    """In the 2026-07-28 era the client brings the answer: it can bring neither one unasked, nor one for other ends."""
    robot = confirming()
    agreed = {"inputResponses": {"confirm": {"action": "accept", "content": {}}}}

    def move(number: int, how: str, **more: object) -> dict[str, Any]:
        message = call(number, "move", how=how)
        message["params"] |= {"_meta": ENVELOPE, **more}
        return message

    async with served(broker, robot), raw_peer(broker, "sly") as sly:
        await sly.control(request(1, "server/discover", {"_meta": ENVELOPE}))
        await sly.answer(1)
        await sly.rpc(move(2, "fast", **agreed))
        asked = (await sly.answer(2))["result"]
        assert asked["resultType"] == "input_required"
        state = {"requestState": asked["requestState"]}
        await sly.rpc(move(3, "fast", **agreed, requestState="robot-node: a person was asked"))
        assert "error" in await sly.answer(3)
        await sly.rpc(move(4, "backwards", **agreed, **state))
        assert "error" in await sly.answer(4)
        assert robot.done == []
        async with raw_peer(broker, "thief") as thief:
            await thief.control(request(1, "server/discover", {"_meta": ENVELOPE}))
            await thief.answer(1)
            await thief.rpc(move(2, "fast", **agreed, **state))
            assert (await thief.answer(2))["result"]["resultType"] == "input_required"
        await sly.rpc(move(5, "fast", **agreed, **state))
        assert (await sly.answer(5))["result"]["content"][0]["text"] == "done"
        await sly.rpc(move(6, "fast", **agreed, **state))
        assert (await sly.answer(6))["result"]["resultType"] == "input_required"
    assert robot.done == ["move fast"]


async def test_a_question_counts_towards_the_limits_whether_it_is_answered_or_not(broker: PrivateBroker) -> None:
    limits = CallLimits(0, {"move": 12})  # of which two may come at once
    robot = Robot(policy=AccessPolicy(), limits=limits, confirmation=Confirmation(tools=frozenset({"move"})))
    async with served(broker, robot), raw_peer(broker, "sly") as sly:
        await sly.control(request(1, "server/discover", {"_meta": ENVELOPE}))
        await sly.answer(1)
        for number in (2, 3, 4):
            message = call(number, "move")
            message["params"]["_meta"] = ENVELOPE
            await sly.rpc(message)
        results = [(await sly.answer(number))["result"] for number in (2, 3, 4)]
    assert [result["resultType"] for result in results] == ["input_required", "input_required", "complete"]
    assert results[2]["content"][0]["text"] == "sly calls too often. Try again in 5 s."


async def test_a_person_who_does_not_answer_in_time_has_not_agreed(broker: PrivateBroker) -> None:
    robot = confirming(timeout_s=0.05)
    never = asyncio.Event()

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context, params
        await never.wait()
        return ElicitResult(action="accept", content={})

    async with served(broker, robot), visit(broker, "slow", "legacy", elicitation_callback=answer) as client:
        result = await client.call_tool("move", {})
        assert text(result).endswith("No answer came within 0.05 s.")
        assert text(await client.call_tool("look", {})) == "done"
    assert robot.done == ["look"]


async def test_sessions_cannot_be_replaced_for_ever_by_somebody_who_claims_another_id(broker: PrivateBroker) -> None:
    async with served(broker, Robot()), raw_peer(broker, "anna") as anna, raw_peer(broker, "mallory") as mallory:
        await anna.open_session()
        for number in range(1, 31):
            await mallory.control(initialize(number, version=f"mallory {number}"), sender="anna")
        refused = [(await anna.answer(number))["error"] for number in range(21, 31)]
        assert {error["code"] for error in refused} == {ErrorCode.REPLACED_TOO_OFTEN}
        assert "Try again in " in refused[0]["message"]
        assert "result" in await anna.answer(20)
        await anna.rpc(call(100, "look"))
        assert (await anna.answer(100))["result"]["content"][0]["text"] == "done"
