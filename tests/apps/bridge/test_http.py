"""The bridge over streamable HTTP, with official clients."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mcp import Client
from mcp.client.session import ClientRequestContext, IncomingMessage, MessageHandlerFnT
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import ElicitRequestParams, ElicitResult

from robot_node.apps.bridge.http import MAX_SESSIONS, HttpAddress
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import SettingsError
from tests.apps.bridge.agents import BridgeProcess, Message, bridge_process, scripted_robot, text_of
from tests.command import command
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S, eventually


@pytest.fixture
def toy() -> Toy:
    return toy_server()


@contextlib.asynccontextmanager
async def over_http(broker: PrivateBroker, folder: Path) -> AsyncIterator[tuple[BridgeProcess, str]]:
    async with bridge_process(broker, folder, "--http", "127.0.0.1:0") as bridge:
        await eventually(lambda: "/mcp\n" in bridge.log, "the bridge says where it listens")
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp", bridge.log)
        assert found
        yield bridge, found[0]
        assert await bridge.terminate() == 0


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_agents_over_http_use_the_robots_and_are_told_of_changes(
    broker: PrivateBroker, tmp_path: Path, toy: Toy, mode: str
) -> None:
    async with running(broker, toy), over_http(broker, tmp_path) as (_, url):
        changed = asyncio.Event()

        async def on_message(message: IncomingMessage) -> None:  # noqa: ARG001  # the SDK names it
            changed.set()

        async with Client(url, mode=mode, message_handler=on_message) as first, Client(url, mode=mode) as second:
            assert {"add", "list_robots"} <= {tool.name for tool in (await first.list_tools()).tools}
            assert (await first.call_tool("picture", {})).content[0].type == "image"
            assert (await second.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
            waiting = asyncio.create_task(first.call_tool("wait", {}))
            await toy.started.get()
            async with contextlib.AsyncExitStack() as stack:
                if mode == "auto":
                    events = await stack.enter_async_context(first.listen(tools_list_changed=True))
                nod: Message = {"name": "nod", "inputSchema": {"type": "object"}}
                await stack.enter_async_context(scripted_robot(broker, [nod]))
                if mode == "auto":
                    await asyncio.wait_for(anext(aiter(events)), DEADLINE_S)
                while "scripted__nod" not in {tool.name for tool in (await first.list_tools()).tools}:
                    assert mode == "legacy"  # where it may have been told of the first robot only now
                    await asyncio.wait_for(changed.wait(), DEADLINE_S)
                    changed.clear()
            toy.release.set()
            assert text_of(await waiting) == "released"


async def test_each_agent_is_asked_about_its_own_call_only(broker: PrivateBroker, tmp_path: Path) -> None:
    ask: Message = {"method": "elicitation/create", "id": "q", "params": {"message": "?", "requestedSchema": {}}}
    ask["params"]["requestedSchema"] = {"type": "object", "properties": {}}
    tool: Message = {"name": "act", "inputSchema": {"type": "object"}}

    async def agree(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001  # the SDK names them
        asked.put_nowait(params.message)
        return ElicitResult(action="accept", content={})

    asked: asyncio.Queue[str] = asyncio.Queue()
    async with (
        scripted_robot(broker, [tool]) as robot,
        over_http(broker, tmp_path) as (_, url),
        Client(url, mode="legacy", elicitation_callback=agree) as first,
        Client(url, mode="legacy") as second,
    ):
        calls = [asyncio.create_task(first.call_tool("act", {}))]
        number = (await robot.until(lambda message: message["method"] == "tools/call"))["id"]
        await robot.say(ask)
        assert (await robot.until(lambda message: message.get("id") == "q"))["result"]["action"] == "accept"
        assert await asked.get() == "?"
        calls.append(asyncio.create_task(second.call_tool("act", {})))
        other = (await robot.until(lambda message: message["method"] == "tools/call"))["id"]
        await robot.say(ask)
        refused = (await robot.until(lambda message: message.get("id") == "q"))["error"]["message"]
        assert "The bridge cannot forward elicitation/create: 2 agents" in refused
        for each in (number, other):
            await robot.say({"id": each, "result": {"content": []}})
        await asyncio.gather(*calls)


async def test_only_those_who_subscribed_are_told_of_an_update(broker: PrivateBroker, tmp_path: Path) -> None:
    told: dict[str, asyncio.Queue[str]] = {"first": asyncio.Queue(), "second": asyncio.Queue()}

    def handler(name: str) -> MessageHandlerFnT:
        async def on_message(message: IncomingMessage) -> None:
            told[name].put_nowait(str(getattr(message, "method", message)))

        return on_message

    async def until(name: str, method: str) -> list[str]:
        seen: list[str] = []
        async with asyncio.timeout(DEADLINE_S):
            while not seen or seen[-1] != method:
                seen.append(await told[name].get())
        return seen

    light: Message = {"resources": [{"uri": "room://light", "name": "light"}]}
    results: dict[str, Message] = {"resources/list": light, "resources/subscribe": {}}
    async with (
        scripted_robot(broker, [], results=results) as robot,
        over_http(broker, tmp_path) as (_, url),
        Client(url, mode="legacy", message_handler=handler("first")) as first,
        Client(url, mode="legacy", message_handler=handler("second")) as second,
    ):
        await second.list_tools()
        with pytest.warns(MCPDeprecationWarning):
            await first.subscribe_resource("room://light")
        await robot.announce("notifications/resources/updated", {"uri": "room://light"})
        await until("first", "notifications/resources/updated")
        while not told["second"].empty():
            assert told["second"].get_nowait() != "notifications/resources/updated"
        robot.tools = [{"name": "nod", "inputSchema": {"type": "object"}}]
        await robot.announce("notifications/tools/list_changed", {})
        assert "notifications/resources/updated" not in await until("second", "notifications/tools/list_changed")


async def test_requests_of_web_pages_are_refused(broker: PrivateBroker, tmp_path: Path) -> None:
    async with over_http(broker, tmp_path) as (_, url):
        port = int(url.split(":")[2].split("/")[0])

        def status(**headers: str) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
            said = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
            connection.request("POST", "/mcp", b"{}", said | headers)
            answer = connection.getresponse()
            connection.close()
            return answer.status

        assert await asyncio.to_thread(status) == 400  # let in, to be told that {} is no message
        assert await asyncio.to_thread(status, Host="robots.attacker.example") == 421
        assert await asyncio.to_thread(status, Origin="https://attacker.example") == 403


async def test_a_body_that_would_become_too_much_is_refused_before_it_is_parsed(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    async with over_http(broker, tmp_path) as (_, url):
        port = int(url.split(":")[2].split("/")[0])

        def answer(body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
            said = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
            connection.request("POST", "/mcp", body, said)
            answered = connection.getresponse()
            status, text = answered.status, answered.read()
            connection.close()
            return status, text

        lists = b"[" + b"[]," * 300_000 + b"[]]"
        assert await asyncio.to_thread(answer, lists) == (
            413,
            b"The body is too large. It holds more than 20000 values.\n",
        )
        assert (await asyncio.to_thread(answer, b" " * 1_048_577))[0] == 413
        assert (await asyncio.to_thread(answer, b"[" + b"[]," * 300 + b"[]]"))[0] == 400


def post(url: str, message: Message, **headers: str) -> tuple[int, Message]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=DEADLINE_S)
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    connection.request("POST", "/mcp", json.dumps(message), usual | given)
    answered = connection.getresponse()
    text = answered.read().decode().partition("data: {")  # what is no error comes as an event
    connection.close()
    return answered.status, json.loads(text[0] if not text[1] else "{" + text[2].splitlines()[0])


async def test_an_unknown_version_of_mcp_is_named_with_those_that_are_known(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    async with over_http(broker, tmp_path) as (_, url):
        for version in ("nonsense", "2031-01-01", "", "2025-11-25, 2025-11-25", "x" * 2000):
            status, answer = post(url, {"jsonrpc": "2.0", "id": 5, "method": "ping"}, MCP_Protocol_Version=version)
            error = answer["error"]
            assert (status, answer["id"], error["code"]) == (400, 5, -32022)
            assert error["message"].startswith(f"MCP-Protocol-Version is '{version[:30]}")
            assert "which the bridge does not know. It knows: 2024-11-05, " in error["message"]
            assert len(error["message"]) < 300
            assert "2026-07-28" in error["data"]["supported"]


@pytest.mark.slow  # opens 256 sessions
async def test_the_257th_session_is_refused_and_the_log_says_so(broker: PrivateBroker, tmp_path: Path) -> None:
    info = {"name": "raw", "version": "1"}
    opening: Message = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    message: Message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening}

    def open_sessions() -> list[int]:
        return [post(url, message)[0] for _ in range(MAX_SESSIONS + 1)]

    async with over_http(broker, tmp_path) as (bridge, url):
        assert await asyncio.to_thread(open_sessions) == [200] * MAX_SESSIONS + [503]
        log = bridge.log
    assert "Refused a request from 127.0.0.1: 503, all sessions are in use." in log


def test_a_port_that_is_taken_is_one_clear_line(broker: PrivateBroker) -> None:
    failed = command("bridge", "--http", f"127.0.0.1:{broker.port}", broker=broker)
    assert failed.status == 1
    assert failed.stderr.count("\n") == 1
    assert f"Cannot listen at 127.0.0.1:{broker.port}: Address already in use. Choose another" in failed.stderr


def test_where_to_listen() -> None:
    assert HttpAddress.parse("8765") == HttpAddress("127.0.0.1", 8765)
    assert HttpAddress.parse("[::1]:80").url() == "http://[::1]:80/mcp"
    assert not HttpAddress.parse("pi.local:80").is_loopback
    for wrong in ("host", "host:port", "host:99999", ""):
        with pytest.raises(SettingsError, match="is not a valid address"):
            HttpAddress.parse(wrong)
    for everywhere in ("0.0.0.0:80", "[::]:80"):  # which is what is refused
        with pytest.raises(SettingsError, match="means all addresses of this machine"):
            HttpAddress.parse(everywhere)
