"""The page and the backend of emqx/mcp-ai-companion-demo, and a robot in the other's place."""

from __future__ import annotations

import json

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CallState
from robot_node.mqtt import Broker
from robot_node.settings.root import DialerSettings, WebRtcSettings
from robot_node.webrtc.messages import (
    AsrResponse,
    DataMessage,
    TtsBegin,
    TtsComplete,
    TtsText,
    device_messages_topic,
)
from tests.waiting import eventually
from tests.webrtc.caller import calling_robot
from tests.webrtc.conftest import running_robot
from tests.webrtc.emqx_companion import CompanionBackend, companion_backend, companion_page
from tests.webrtc.media_backend import media_backend


async def test_what_a_visitor_of_the_page_taps_reaches_a_robot_that_is_the_proxy(broker: PrivateBroker) -> None:
    chats: list[tuple[str, str]] = []
    data: list[tuple[str, object]] = []

    def chat(client_id: str, text: str) -> str:
        chats.append((client_id, text))
        return "Not so fast." if text == "again" else ""

    def keep(client_id: str, payload: object) -> str:
        data.append((client_id, payload))
        return ""

    async with (
        running_robot(broker, WebRtcSettings(proxy=True), on_chat=chat, on_data=keep) as robot,
        companion_page(robot.broker) as page,
    ):
        await robot.has_viewers(1)
        await page.see_a_frame()
        await page.tap("You are doing great!")
        for nonsense in (b"{", b'"text"', b'{"type":"dance"}', b'{"type":"message","payload":' + b"[" * 500):
            await page.publish(nonsense)
        await page.tap({"type": "poke", "where": [1, 2]})
        await page.publish(json.dumps({"type": "tts_text", "task_id": 1, "text": "said to the people there"}).encode())
        await page.publish(json.dumps({"type": "asr_response", "results": "spoken"}).encode())
        await page.tap("again")
        await eventually(lambda: page.messages == ["Not so fast."])
        mine = page.client_id
        assert chats == [(mine, "You are doing great!"), (mine, "spoken"), (mine, "again")]
        assert data == [(mine, {"type": "poke", "where": [1, 2]})]
        assert page.state == "connected"


async def test_only_those_who_watch_can_write(broker: PrivateBroker) -> None:
    chats: list[str] = []

    def chat(_client_id: str, text: str) -> str:
        chats.append(text)
        return "Received."

    async with (
        running_robot(broker, WebRtcSettings(proxy=True), on_chat=chat) as robot,
        companion_backend(robot.broker) as stranger,
        companion_page(robot.broker) as page,
    ):
        await robot.has_viewers(1)
        await stranger._connection.publish(
            device_messages_topic("stranger", "multimedia_proxy"), b'{"type":"message","payload":"let me in"}'
        )
        await page.tap("hello")
        await eventually(lambda: page.messages == ["Received."])
        await eventually(lambda: len(stranger.heard) == 2)  # both were published
        assert chats == ["hello"]


async def test_a_robot_that_calls_the_backend_understands_it_and_is_understood(broker: PrivateBroker) -> None:
    address = Broker.from_url(broker.url)
    settings = DialerSettings(device_id="robot-kitchen")
    async with (
        media_backend(address) as proxy,
        companion_backend(address) as agent,
        calling_robot(broker, settings) as caller,
    ):
        await proxy.answer()
        await caller.is_in(CallState.CONNECTED)
        device = proxy.caller
        assert device == "robot-kitchen"
        assert CompanionBackend.server_name_filter(device) == "web-ui-hardware-controller/kitchen"
        await agent.recognise(device, [{"text": "Hello,"}, {"text": "robot."}], "raw")
        await agent.recognise(device, "Hello, robot.", "merged")
        await agent.reply(device, "Good ", "morning.")
        await eventually(lambda: len(caller.messages) == 8)
        assert caller.messages == [
            AsrResponse("Hello, robot."),
            AsrResponse("Hello, robot."),
            DataMessage({"type": "loading", "status": "processing"}),
            TtsBegin("482913"),
            TtsText("482913", "Good "),
            TtsText("482913", "morning."),
            TtsComplete("482913"),
            DataMessage({"type": "loading", "status": "complete"}),
        ]
        caller.announcements.send(TtsText("t1", "I said this myself."))
        await eventually(lambda: bool(agent.heard))
        said = {"type": "tts_text", "task_id": "t1", "text": "I said this myself."}
        assert agent.heard == [("robot-kitchen", said)]
        assert len(caller.messages) == 8  # its own words don't come back
