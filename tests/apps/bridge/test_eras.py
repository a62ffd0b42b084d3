"""Protocol eras on stdio: ``server/discover`` decides nothing; the first other request does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.apps.bridge.agents import Message, RawAgent, bridge_process, raw_agent, scripted_robot

NOD: Message = {"name": "nod", "inputSchema": {"type": "object"}}


def envelope(version: str = "2026-07-28") -> Message:
    return {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    }


PROBES = {
    "answered": envelope(),
    "refused, since the version is unknown": envelope("2031-01-01"),
    "refused, since there is no envelope": None,
    "refused, since the envelope is malformed": {"_meta": {"io.modelcontextprotocol/protocolVersion": 7}},
}


@pytest.fixture
async def agent(broker: PrivateBroker) -> AsyncIterator[RawAgent]:
    async with scripted_robot(broker, [NOD]), raw_agent(broker, handshake=False) as raw:
        yield raw


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES.keys())
async def test_a_probe_may_be_followed_by_initialize(agent: RawAgent, probe: Message | None) -> None:
    answer = await agent.request("server/discover", probe)
    assert ("result" in answer) == (probe == envelope())
    assert (await agent.handshake())["protocolVersion"] == "2025-11-25"
    assert await agent.tools() == ["list_robots", "nod"]


async def test_a_probe_that_was_given_up_may_be_followed_by_initialize(agent: RawAgent) -> None:
    probe = await agent.start("server/discover", envelope())
    await agent.send({"method": "notifications/cancelled", "params": {"requestId": probe, "reason": "timeout"}})
    assert (await agent.handshake())["protocolVersion"] == "2025-11-25"
    assert await agent.tools() == ["list_robots", "nod"]


async def test_probes_may_be_followed_by_requests_of_2026_07_28(agent: RawAgent) -> None:
    for _ in range(2):
        assert "2026-07-28" in (await agent.request("server/discover", envelope()))["result"]["supportedVersions"]
    listed = (await agent.request("tools/list", envelope()))["result"]
    assert [tool["name"] for tool in listed["tools"]] == ["list_robots", "nod"]
    assert listed["resultType"] == "complete"
    again = await agent.request("server/discover", envelope())
    assert "2026-07-28" in again["result"]["supportedVersions"]
    assert (await agent.request("initialize", {"protocolVersion": "2025-11-25"}))["error"]["code"] == -32022


async def test_after_initialize_a_probe_is_refused_and_the_session_goes_on(agent: RawAgent) -> None:
    await agent.handshake()
    assert "handshake" in (await agent.request("server/discover", envelope()))["error"]["message"]
    assert await agent.tools() == ["list_robots", "nod"]


async def test_the_process_that_desktop_agents_start_takes_a_probe_before_it_is_ready_and_then_initialize(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    async with scripted_robot(broker, [NOD]), bridge_process(broker, tmp_path) as bridge:
        probes = [await bridge.agent.start("server/discover", probe) for probe in PROBES.values()]
        initialized = asyncio.create_task(bridge.agent.handshake())
        answers = [await bridge.agent.answer(probe) for probe in probes]
        assert ["result" in answer for answer in answers] == [True, False, False, False]
        assert (await initialized)["protocolVersion"] == "2025-11-25"
        assert await bridge.agent.tools() == ["list_robots", "nod"]
        assert await bridge.leave() == 0
    assert "Traceback" not in bridge.log
