"""A client that sends names of any length: no answer of a server repeats one whole, and what is missing is marked."""

from __future__ import annotations

import json
from typing import Any

from robot_node.apps.private_broker import PrivateBroker
from tests.mcp_mqtt.peers import raw_peer, request
from tests.mcp_mqtt.toys import running, toy_server

LONG = "NAME" * 200_000
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tools/call", {"name": LONG, "arguments": {}}),
    ("tools/call", {"name": "add", "arguments": {LONG: 1}}),
    ("tools/call", {"name": "add", "arguments": {"a": LONG, "b": 1}}),
    (LONG, {}),
    ("resources/read", {"uri": f"x://{LONG}"}),
    ("resources/subscribe", {"uri": f"x://{LONG}"}),
    ("prompts/get", {"name": LONG}),
    ("logging/setLevel", {"level": LONG}),
)


async def test_a_long_name_is_not_repeated_whole(broker: PrivateBroker) -> None:
    async with running(broker, toy_server()), raw_peer(broker, "client") as peer:
        await peer.open_session()
        for number, (method, params) in enumerate(REQUESTS, 1):
            await peer.rpc(request(number, method, params))
            answer = await peer.answer(number)
            assert "error" in answer or answer["result"]["isError"], method[:20]
            text = json.dumps(answer)
            assert len(text) < 10_000, text[:200]
            assert "NAME" * 100 not in text or " more characters)" in text, text[:200]
