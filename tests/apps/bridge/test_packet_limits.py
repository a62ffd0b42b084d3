"""A broker that takes small packets only: what does not fit is a tool error with a remedy, and ends nothing."""

from __future__ import annotations

import base64
import re

from robot_node.apps.private_broker import PrivateBroker
from tests.apps.bridge.agents import Message, raw_agent, text_in
from tests.mcp_mqtt.toys import running, toy_server

LIMIT = 60_000
REMEDY = "Raise the broker's limit (mosquitto: max_packet_size; EMQX: mqtt.max_packet_size), or ask for less."


async def test_what_does_not_fit_the_broker_is_a_tool_error_in_both_directions() -> None:
    toy = toy_server()

    @toy.server.tool()
    def photo(size: int) -> Message:
        """A photo."""
        return {"data": base64.b64encode(bytes(size)).decode()}

    @toy.server.tool()
    def say(text: str) -> int:
        """Say it."""
        return len(text)

    async with (
        PrivateBroker(extra=f"max_packet_size {LIMIT}") as broker,
        running(broker, toy) as robot,
        raw_agent(broker) as agent,
    ):
        for answer in (
            await agent.call("photo", {"size": 100_000}),
            await agent.call("say", {"text": "x" * LIMIT}),
        ):
            text = text_in(answer, is_error=True)
            assert re.search(r"message has \d+ bytes; its broker takes at most 59\d\d\d in a message\.", text)
            assert text.endswith(REMEDY)
        assert text_in(await agent.call("say", {"text": "x" * (LIMIT - 1000)})) == str(LIMIT - 1000)
        assert [status.connected for status in robot.statuses] == [True]
