"""What watches a robot, on a real broker: what Prometheus, an MQTT client and Home Assistant see of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.backoff import RestartPolicy
from robot_node.core.counters import Link
from robot_node.robot.monitoring.figures import Figures
from tests.end_to_end import test_two_users as two_users
from tests.end_to_end.agents import agent, status
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, is_retained, plain_client, wait_until_online
from tests.end_to_end.test_keeping_going import a_robot
from tests.mcp_mqtt.packets import Publish
from tests.mcp_mqtt.peers import raw_peer
from tests.mcp_mqtt.raw_socket import raw_socket
from tests.mcp_mqtt.tap import Tap
from tests.robot.monitoring.queries import MADE_BY_PROMETHEUS, asked_for, dashboard_queries, rule_queries
from tests.robot.monitoring.test_prometheus_files import promtool
from tests.waiting import DEADLINE_S, eventually

HEALTH = f"robot-node/{SERVER_ID}/health"
STATE = f"robot-node/{SERVER_ID}/state"
DISCOVERY = f"homeassistant/device/{SERVER_ID}/config"

Scrape = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def samples(families: list[Metric]) -> Scrape:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(scrape: Scrape, name: str, **labels: str) -> float | None:
    return scrape.get((name, frozenset(labels.items())))


class Scraper:
    """Asks as Prometheus does."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def text(self, accept: str = "text/plain") -> str:
        def get() -> bytes:
            request = urllib.request.Request(self.url, headers={"Accept": accept})  # noqa: S310  # our own server
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310  # as above
                body: bytes = answer.read()
                return body

        return (await asyncio.to_thread(get)).decode()

    async def scrape(self) -> Scrape:
        return samples(list(text_string_to_metric_families(await self.text())))

    async def until(self, condition: Callable[[Scrape], bool]) -> Scrape:
        """Ask until it is so."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(OSError):  # it is not served yet
                    if condition(found := await self.scrape()):
                        return found
                await asyncio.sleep(0.1)


async def logged(caplog: pytest.LogCaptureFixture, pattern: str) -> str:
    """Wait until the robot, in this process, has logged it; returns the pattern's group."""
    await eventually(lambda: re.search(pattern, caplog.text), f"{pattern} in the log")
    return str(re.findall(pattern, caplog.text)[0])


@contextlib.asynccontextmanager
async def a_scraped_robot(
    broker: PrivateBroker, pi: SimulatedPi, caplog: pytest.LogCaptureFixture, **settings: Mapping[str, object]
) -> AsyncIterator[Scraper]:
    caplog.set_level(logging.INFO, "robot_node")
    async with a_robot(broker, pi, {"metrics": {"enabled": True, "port": 0}, **settings}):
        yield Scraper(await logged(caplog, r"Metrics at (\S+)"))


@pytest.mark.slow
async def test_prometheus_sees_what_agents_and_viewers_do_and_how_the_hardware_is(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    pi = simulated_platform(scene="clock")
    pi.computer.temperature_c, pi.computer.throttled = 81.5, 0x10004
    async with a_scraped_robot(broker, pi, caplog) as prometheus, agent(broker) as client:
        await client.call_tool("take_photo", {})  # an error: the camera is off
        await client.call_tool("control_camera", {"enabled": True})
        await client.call_tool("take_photo", {})
        await client.call_tool("there_is_no_such_tool", {})
        async with watching(broker, "viewer-1") as viewer:
            await viewer.frames(10)
            during = await prometheus.until(lambda now: (value(now, "robot_node_webrtc_round_trip_seconds") or 0) > 0)
            assert value(during, "robot_node_webrtc_viewers") == 1
            assert (value(during, "robot_node_video_frames_sent_total") or 0) >= 10
            assert (value(during, "robot_node_webrtc_video_bytes_per_second") or 0) > 0
            assert value(during, "robot_node_webrtc_packet_loss_ratio") is not None
            assert value(during, "robot_node_camera_state", state="on") == 1
            await viewer.send({"type": "webrtc_terminated", "reason": "enough"})
            ended = ("robot_node_webrtc_ended_total", frozenset({("reason", "terminated")}))
            await prometheus.until(lambda now: now[ended] == 1)
        pi.oled.unplug()
        bus = ("robot_node_bus_errors_total", frozenset({("bus", "i2c")}))
        now = await prometheus.until(lambda now: now[bus] >= 2)

        calls = "robot_node_tool_calls_total"
        assert value(now, calls, tool="take_photo", outcome="ok") == 1
        assert value(now, calls, tool="take_photo", outcome="error") == 1
        assert value(now, calls, tool="other", outcome="error") == 1
        assert value(now, "robot_node_tool_call_seconds_count", tool="take_photo") == 2
        assert value(now, "robot_node_mcp_sessions") == 1
        assert value(now, "robot_node_mcp_sessions_opened_total") == 1
        assert value(now, "robot_node_webrtc_offers_total") == value(now, "robot_node_webrtc_connected_total") == 1
        assert (
            value(now, "robot_node_fault", part="display") == value(now, "robot_node_faults_total", part="display") == 1
        )
        assert value(now, "robot_node_board_temperature_celsius") == 81.5
        assert value(now, "robot_node_board_throttling", reason="throttled", when="now") == 1
        assert value(now, "robot_node_board_throttling", reason="under_voltage", when="since_boot") == 1
        assert value(now, "robot_node_board_throttling", reason="under_voltage", when="now") == 0
        assert (value(now, "process_resident_memory_bytes") or 0) > 10e6
        assert value(now, "robot_node_mqtt_connected", connection="mcp") == 1

        assert not [labels for _, labels in now if "viewer-1" in dict(labels).values()]
        promtool("check", "metrics", stdin=await prometheus.text())
        in_openmetrics = await prometheus.text("application/openmetrics-text; version=1.0.0")
        families = list(openmetrics.text_string_to_metric_families(in_openmetrics))  # type: ignore[no-untyped-call]  # theirs
        assert samples(families).keys() == (await prometheus.scrape()).keys()
        every_query_finds_something({**during, **now})


def every_query_finds_something(exported: Scrape) -> None:
    """What dashboard and alerts ask for is exported, with the labels, and the values of labels, that they name."""
    labels: dict[str, list[dict[str, str]]] = {}
    for name, pairs in exported:
        labels.setdefault(name, []).append(dict(pairs))
    queries = dashboard_queries() + rule_queries()
    asked = {each for query in queries for each in asked_for(query)}
    assert len(asked) >= 25
    for each in asked:
        if each.metric == "up":  # Prometheus makes it
            continue
        assert each.metric in labels, each
        assert all(each.labels <= found.keys() | MADE_BY_PROMETHEUS for found in labels[each.metric]), each
        for label, wanted in each.values:
            assert any(found[label] == wanted for found in labels[each.metric]), each


async def test_reconnects_are_counted_for_each_connection(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_scraped_robot(broker, simulated_platform(scene="clock"), caplog) as prometheus:

        def of_both(now: Scrape, name: str) -> list[float]:
            return [now[name, frozenset({("connection", link)})] for link in ("mcp", "signaling")]

        before = await prometheus.until(lambda now: of_both(now, "robot_node_mqtt_connected") == [1, 1])
        assert of_both(before, "robot_node_mqtt_reconnects_total") == [0, 0]
        async with raw_socket(broker.port, SERVER_ID):  # takes the robot's id over, once
            after = await prometheus.until(lambda now: of_both(now, "robot_node_mqtt_reconnects_total")[0] >= 1)
        assert of_both(after, "robot_node_mqtt_reconnects_total")[1] == 0


async def test_calls_to_a_backend_that_is_not_there_are_counted_by_reason(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    dialer = {"enabled": True, "answer_timeout_s": 0.1, "retry_initial_s": 0.1}
    ended = ("robot_node_call_ended_total", frozenset({("reason", "not_answered")}))
    async with a_scraped_robot(broker, simulated_platform(scene="clock"), caplog, dialer=dialer) as prometheus:
        now = await prometheus.until(lambda now: now[ended] >= 2)
        assert (value(now, "robot_node_call_attempts_total") or 0) >= 2
        assert value(now, "robot_node_call_connected_total") == 0
        assert value(now, "robot_node_mqtt_connected", connection="dialer") == 1


async def test_a_port_that_is_taken_is_told_and_tried_again(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "robot_node")
    soon = RestartPolicy(initial_s=0.05, maximum_s=0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        metrics = {"metrics": {"enabled": True, "port": taken.getsockname()[1]}}
        async with a_robot(broker, simulated_platform(scene="clock"), metrics, restarts=soon):
            await wait_until_online(broker)
            async with agent(broker) as client:
                reason = await logged(caplog, r"The service metrics does not work: (.*) It is tried again")
                assert "Address already in use" in reason
                assert "[metrics]" in reason
                assert reason in (await status(client))["faults"]["metrics"]
                taken.close()
                await Scraper(await logged(caplog, r"Metrics at (\S+)")).scrape()


async def test_health_that_crashes_is_told_and_comes_again(broker: PrivateBroker) -> None:
    def break_once() -> str:
        mistakes.pop()()
        return simulated.platform.board_temperature()

    def crash() -> None:
        mistakes.append(lambda: None)
        raise LookupError("in the middle of the figures")

    simulated, mistakes = simulated_platform(scene="clock"), [crash]
    pi = replace(simulated, platform=replace(simulated.platform, board_temperature=break_once))
    async with a_robot(broker, pi, {"health": {"enabled": True}}):
        message = await message_on(broker, HEALTH)
        assert isinstance(message.payload, bytes)
        fault = "The service health crashed: LookupError: in the middle of the figures."
        assert json.loads(message.payload)["faults"]["now"] == {"health": fault}


async def message_on(
    broker: PrivateBroker, topic: str, wanted: Callable[[Any], bool] = lambda _: True
) -> aiomqtt.Message:
    """The first JSON message on a topic, retained or new, that fits."""
    async with plain_client(broker, f"reader-{id(wanted)}") as client, asyncio.timeout(DEADLINE_S):
        await client.subscribe(topic)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            if message.payload and wanted(json.loads(message.payload)):
                return message
    raise AssertionError("unreachable")


async def kept_packet(broker: PrivateBroker, topic: str) -> Publish:
    """The packet by which the broker tells a newcomer what it has kept."""
    async with asyncio.timeout(DEADLINE_S), Tap(broker) as tap, raw_peer(tap.address, "newcomer") as newcomer:
        await newcomer.subscribe(topic)
        seen = await tap.until(lambda seen: isinstance(seen.packet, Publish) and seen.packet.topic == topic)
    assert isinstance(seen.packet, Publish)
    assert seen.packet.retain
    return seen.packet


@contextlib.asynccontextmanager
async def a_robot_process(broker: PrivateBroker, folder: Path) -> AsyncIterator[RobotProcess]:
    """A robot that tells its health, and is shown in Home Assistant."""
    settings = {"ROBOT_NODE_HEALTH__ENABLED": "true", "ROBOT_NODE_HOME_ASSISTANT__ENABLED": "true"}
    robot = RobotProcess(broker, folder, settings=settings)
    await robot.start()
    try:
        await message_on(broker, HEALTH)
        await message_on(broker, STATE)
        yield robot
    finally:
        await robot.kill()
        print(robot.log)


async def test_health_is_retained_until_the_robot_leaves(broker: PrivateBroker, tmp_path: Path) -> None:
    async with a_robot_process(broker, tmp_path) as robot:
        packet = await kept_packet(broker, HEALTH)
        assert packet.user_properties == (("MCP-COMPONENT-TYPE", "mcp-server"), ("MCP-MQTT-CLIENT-ID", SERVER_ID))
        assert packet.expiry_s is not None
        assert packet.expiry_s <= 180
        figures = Figures.model_validate_json(packet.payload)
        assert figures.server_id == SERVER_ID
        assert figures.connections[Link.MCP].connected
        assert figures.board.temperature_c == 48.7
        assert not figures.faults.now
        assert await is_retained(broker, STATE)

        assert await robot.stop() == 0
        assert not await is_retained(broker, HEALTH)
        assert not await is_retained(broker, STATE)
        assert await is_retained(broker, DISCOVERY)  # Home Assistant keeps what its owner made of the device


async def test_the_health_of_a_robot_that_died_expires(broker: PrivateBroker, tmp_path: Path) -> None:
    async with a_robot_process(broker, tmp_path) as robot:
        await robot.kill()
        for topic, most_s in ((HEALTH, 180), (STATE, 600)):
            left = await kept_packet(broker, topic)
            assert left.expiry_s is not None
            assert left.expiry_s <= most_s


async def test_home_assistant_sees_each_change(broker: PrivateBroker) -> None:
    pi = simulated_platform(scene="clock")
    async with a_robot(broker, pi, {"home_assistant": {"enabled": True}}):
        at_first = json.loads((await message_on(broker, STATE)).payload)
        assert at_first == {"camera": "off", "emotion": "neutral", "viewers": 0, "faults": []}
        async with agent(broker) as client:
            await client.call_tool("change_emotion", {"emotion": "happy"})
            await client.call_tool("control_camera", {"enabled": True})
        await message_on(broker, STATE, lambda state: (state["camera"], state["emotion"]) == ("on", "happy"))
        pi.oled.unplug()
        await message_on(broker, STATE, lambda state: state["faults"] == ["display"])


async def test_home_assistant_forgets_a_robot_that_is_taken_out(broker: PrivateBroker) -> None:
    pi = simulated_platform(scene="clock")
    async with plain_client(broker, "home-assistant") as client, asyncio.timeout(2 * DEADLINE_S):
        await client.subscribe(DISCOVERY)
        messages = aiter(client.messages)
        async with a_robot(broker, pi, {"home_assistant": {"enabled": True}}):
            assert (await anext(messages)).payload
        async with a_robot(broker, pi, {"home_assistant": {"remove": True}}):
            assert not (await anext(messages)).payload
    assert not await is_retained(broker, DISCOVERY)


async def test_without_being_asked_a_robot_tells_nothing(broker: PrivateBroker) -> None:
    async with plain_client(broker, "listener") as listener, asyncio.timeout(2 * DEADLINE_S):
        await listener.subscribe("#")
        async with a_robot(broker, simulated_platform(scene="clock")), agent(broker) as client:
            await client.call_tool("change_emotion", {"emotion": "happy"})
            await listener.publish("tests/marker", b"")
            assert (await anext(aiter(listener.messages))).topic.value == "tests/marker"


async def test_with_the_rules_that_we_ship_a_monitor_and_home_assistant_hear_and_others_do_not(tmp_path: Path) -> None:
    kitchen, name = two_users.SERVER_ID, two_users.SERVER_NAME
    health, state, discovered = (
        f"robot-node/{kitchen}/health",
        f"robot-node/{kitchen}/state",
        f"homeassistant/device/{kitchen}/config",
    )
    users = (kitchen, "monitor", "home-assistant", "alice")
    async with PrivateBroker(extra=two_users.rules(tmp_path, users), anonymous=False) as broker:
        settings = {
            "broker": {"url": broker.url, "username": kitchen, "password": kitchen},
            "robot": {"server_id": kitchen, "server_name": name},
            "health": {"enabled": True},
            "home_assistant": {"enabled": True},
        }
        async with contextlib.AsyncExitStack() as peers:
            heard = {user: await peers.enter_async_context(two_users.peer(broker, user)) for user in users[1:]}
            for peer in heard.values():
                await peer.subscribe(health, state, discovered, f"$mcp-server/presence/{kitchen}/{name}")
            async with a_robot(broker, simulated_platform(scene="clock"), settings):
                await heard["monitor"].until(health, b"uptime_s")
                await heard["home-assistant"].until(discovered, b"components")
                await heard["home-assistant"].until(state, b"emotion")
            everything = {user: {topic for topic, _ in peer.heard} for user, peer in heard.items()}
            presence = f"$mcp-server/presence/{kitchen}/{name}"
            await eventually(lambda: (presence, b"") in heard["alice"].heard, "alice hears that the robot has left")
            assert everything["monitor"] & {health, state, discovered} == {health}
            assert everything["home-assistant"] & {health, state, discovered} == {state, discovered}
            assert not {topic for topic, _ in heard["alice"].heard} & {health, state, discovered}
