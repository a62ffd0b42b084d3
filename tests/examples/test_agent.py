"""examples/agent: with both models' APIs it hears events, looks, speaks, and outlives robot and broker."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from robot_node.apps.demo_buttons import PIN_SETTINGS, Buttons
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from tests.end_to_end.agents import structured
from tests.examples.model_apis import KEY, Call, ModelServer
from tests.guide import DOCS, Running, Terminal, robot
from tests.waiting import eventually

AGENT = (DOCS.parent / "examples" / "agent" / "agent.py").read_text()
PRESS = "Button doorbell was pressed."
LOOK: list[str | Call | int] = [Call("control_camera", {"enabled": True}), Call("take_photo"), "I see a clock."]
pytestmark = pytest.mark.timeout(400)  # each starts two programs, on a busy machine


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    server = ModelServer()
    async with server.listening():
        yield server


@contextlib.asynccontextmanager
async def agent(
    folder: Path, broker: PrivateBroker, model: ModelServer, api: str = "openai", **more: str
) -> AsyncIterator[Running]:
    """The agent, waiting for events."""
    terminal = Terminal(folder, broker)
    environ = {
        "MODEL_API": api,
        "MODEL_URL": model.url,
        "MODEL_KEY": KEY,
        "MODEL": "m",
        "ROBOT_NODE": str(Path(sys.executable).with_name("robot-node")),
        "ROBOT_NODE_BROKER__RECONNECT_INITIAL_S": "0.2",
        "ROBOT_NODE_BROKER__RECONNECT_MAXIMUM_S": "1",
    }
    async with terminal.running(AGENT, program=sys.executable, **{**environ, **more}) as running:
        cursor = folder / "agent-cursor"
        await eventually(lambda: cursor.exists() and cursor.read_text(), "the agent waits")
        yield running


async def until_it_says(broker: PrivateBroker, words: str) -> None:
    """Wait until the robot's events tell that it says this; its voice may be slower than the agent."""
    transport = mqtt_transport(Broker.from_url(broker.url), "demo-robot", "demo/robot", online_timeout_s=60)
    async with Client(transport) as client:

        async def is_said() -> bool:
            page = await structured(client, "get_events", kinds=["speech"])
            return any(words in event["text"] for event in page["events"])

        await eventually(is_said, f"the robot says {words}")


def pictures(request: dict[str, Any]) -> int:
    """How many pictures a request shows to the model."""
    return json.dumps(request).count('"type": "image')


@pytest.mark.parametrize("api", [pytest.param("openai", marks=pytest.mark.slow), "anthropic"])  # one in 'make test'
async def test_it_sees_and_speaks(broker: PrivateBroker, model: ModelServer, tmp_path: Path, api: str) -> None:
    voice: dict[str, Any] = {"voice": {"engine": "espeak-ng"}} if api == "anthropic" else {}
    model.script = [503, *LOOK, "I see it again."]
    async with robot(broker, **PIN_SETTINGS, **voice) as (settings, platform):
        buttons = Buttons(settings, platform)
        async with agent(tmp_path, broker, model, api) as running:
            buttons.execute("press doorbell")
            await running.until("> I see a clock.")
            failed, first, second, third = model.requests
            assert failed == first
            assert PRESS in json.dumps(first)
            assert [pictures(request) for request in (first, second, third)] == [0, 0, 1]
            buttons.execute("press doorbell")
            await running.until("> I see it again.")
            assert pictures(model.requests[-1]) == 0
            assert "I see a clock." in json.dumps(model.requests[-1])
        if voice:
            await until_it_says(broker, "I see a clock.")
    assert model.complaints == []


@pytest.mark.slow  # starts the two programs a second time
async def test_its_costs_are_bounded(broker: PrivateBroker, model: ModelServer, tmp_path: Path) -> None:
    model.script = [*[Call("get_status")] * 3, "First.", "Second.", "Third."]
    async with robot(broker, **PIN_SETTINGS) as (settings, platform):
        buttons = Buttons(settings, platform)
        limits = {"AGENT_MAX_STEPS": "3", "AGENT_MAX_MEMORY": "1", "AGENT_MAX_RESULT": "50", "AGENT_MAX_TOKENS": "77"}
        async with agent(tmp_path, broker, model, "anthropic", **limits) as running:
            for words in ("Let me see.", "First.", "Second.", "Third."):
                buttons.execute("press doorbell")
                await running.until(f"> {words}")
    assert len(model.requests) == 6
    assert len(model.requests[2]["messages"][-1]["content"][0]["content"][0]["text"]) == 50
    last = json.dumps(model.requests[-1])
    assert "Second." in last
    assert "First." not in last
    assert model.requests[-1]["max_tokens"] == 77
    assert model.complaints == []


@pytest.mark.slow  # starts a broker and a robot twice
@pytest.mark.own_broker
async def test_it_outlives_robot_and_broker(broker: PrivateBroker, model: ModelServer, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as first, contextlib.AsyncExitStack() as outer:
        buttons = Buttons(*await first.enter_async_context(robot(broker, **PIN_SETTINGS)))
        running = await outer.enter_async_context(agent(tmp_path, broker, model))
        await broker.stop()
        buttons.execute("press doorbell")
        await broker.start()
        await running.until("> Well.")
        assert [PRESS in json.dumps(request) for request in model.requests] == [True]
        await first.aclose()
        async with robot(broker, **PIN_SETTINGS) as again:
            model.script = ["Here I am."]
            Buttons(*again).execute("press doorbell")
            await running.until("> Here I am.")
            # What was pressed before is in the model's memory, and no news.
            news = [request["messages"][-1]["content"] for request in model.requests[1:]]
            assert [text.count(PRESS) for text in news] == [1]
    assert model.complaints == []
