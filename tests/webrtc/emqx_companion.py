"""Stand-ins for emqx/mcp-ai-companion-demo (commit 6288e67): its page, and its backend.

They do what the sources do, in the order and the form of these, with MQTT and JSON of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp

from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, connect
from tests.waiting import DEADLINE_S, eventually


class CompanionPage:
    """web/src: services/mqtt-webrtc-signaling.ts, App.tsx and components/ChatInterface.tsx.

    Attributes:
        client_id: Of its one MQTT connection, in all topics.
        state: Of the peer connection, as the page shows it.
        shown: Texts of ``onTTSText``, the last one as it grew.
        messages: Payloads of ``onMessage``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.client_id = connection.client_id
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._inbox: asyncio.Queue[Incoming] = asyncio.Queue()
        self._tts_text = ""
        self.shown: list[str] = []
        self.messages: list[Any] = []
        connection.on_message = self._inbox.put_nowait

    @property
    def state(self) -> str:
        return self._pc.connectionState

    async def connect(self) -> None:
        """``connect()``, until the picture arrives."""
        await self._connection.subscribe(
            Subscription(f"$webrtc/{self.client_id}"), Subscription(f"$message/{self.client_id}")
        )
        self._pc.addTrack(VideoStreamTrack())  # what getUserMedia gives: a camera and a microphone
        self._pc.addTrack(AudioStreamTrack())
        await self._pc.setLocalDescription(await self._pc.createOffer())
        lines = self._pc.localDescription.sdp.splitlines()
        sdp = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
        await self._send_signal("sdp_offer", {"type": "offer", "sdp": "\r\n".join([*sdp, ""])})
        fragment = next(line for line in lines if line.startswith("a=ice-ufrag:")).partition(":")[2]
        for line in lines[: next(n for n, line in enumerate(lines) if n and line.startswith("m=audio"))]:
            if line.startswith("a=candidate:"):  # onicecandidate: JSON.stringify of an RTCIceCandidate
                candidate = {"candidate": line[2:], "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": fragment}
                await self._send_signal("ice_candidate", candidate)

    async def run(self) -> None:
        """``handleSignalingMessage()`` for each message, until cancelled."""
        while True:
            incoming = await self._inbox.get()
            message = json.loads(incoming.payload)
            if incoming.topic.startswith("$webrtc/"):
                await self._signal(message)
            else:
                self._show(message)

    async def see_a_frame(self) -> None:
        track = next(each.receiver.track for each in self._pc.getTransceivers() if each.kind == "video")
        await asyncio.wait_for(track.recv(), DEADLINE_S)

    async def tap(self, payload: object) -> None:
        """``sendAvatarInteraction()``: what a visitor's tap on the face sends."""
        await self.publish(json.dumps({"type": "message", "payload": payload}).encode())

    async def publish(self, payload: bytes) -> None:
        """``onSendMessage()``."""
        await self._connection.publish(f"$message/{self.client_id}/multimedia_proxy", payload)

    async def close(self) -> None:
        await self._pc.close()

    async def _send_signal(self, kind: str, data: object) -> None:
        payload = json.dumps({"type": kind, "data": data}).encode()
        await self._connection.publish(f"$webrtc/{self.client_id}/multimedia_proxy", payload)

    async def _signal(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "sdp_answer":
                sdp = message["data"]["sdp"] if isinstance(message["data"], dict) else message["data"]
                await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
            case "ice_candidate" if message["data"]:
                candidate = candidate_from_sdp(message["data"]["candidate"].partition(":")[2])
                candidate.sdpMid = message["data"]["sdpMid"]
                await self._pc.addIceCandidate(candidate)
            case "webrtc_terminated":
                await self._pc.close()

    def _show(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "tts_begin":
                self._tts_text = ""
            case "tts_text":
                self._tts_text += message["text"]
                self.shown.append(self._tts_text)
            case "message":
                self.messages.append(message["payload"])


class CompanionBackend:
    """The agent behind EMQX's multimedia proxy: app/main.py, websocket.py and conversation_workflow.py.

    The proxy passes it what devices say, and turns its ``tts_and_send`` into ``tts_...`` messages for the device.

    Attributes:
        heard: What came from devices: their ids, and what they sent.
        task_id: Of what it says: a number in main.py, a text in websocket.py.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.task_id: int | str = 482913

    def receive(self, incoming: Incoming) -> None:
        """``message_from_device``."""
        self.heard.append((incoming.topic.split("/")[1], json.loads(incoming.payload)))

    @staticmethod
    def server_name_filter(device_id: str) -> str:
        """``device_coroutine()``: where it looks for the device's tools."""
        suffix = device_id.rsplit("-", maxsplit=1)[-1] if "-" in device_id else device_id
        return "web-ui-hardware-controller/" + suffix

    async def recognise(self, device_id: str, results: object, form: str) -> None:
        """What the proxy sends with ``auto_merge``, ``merged``, and without it, ``raw``."""
        await self._tell(device_id, {"type": "asr_response", "format": form, "results": results})

    async def reply(self, device_id: str, *chunks: str) -> None:
        """``stream_chat()``: loading, speech, complete."""
        await self._tell(device_id, {"type": "message", "payload": {"type": "loading", "status": "processing"}})
        await self._tell(device_id, {"type": "tts_begin", "task_id": self.task_id})
        for chunk in chunks:
            await self._tell(device_id, {"type": "tts_text", "task_id": self.task_id, "text": chunk})
        await self._tell(device_id, {"type": "tts_complete", "task_id": self.task_id})
        await self._tell(device_id, {"type": "message", "payload": {"type": "loading", "status": "complete"}})

    async def _tell(self, device_id: str, message: dict[str, Any]) -> None:
        await self._connection.publish(f"$message/{device_id}", json.dumps(message).encode())


@contextlib.asynccontextmanager
async def companion_page(broker: Broker, client_id: str = "mcp-ai-web-ui-1a2b3c4d") -> AsyncIterator[CompanionPage]:
    """The page, opened and connected."""
    async with connect(broker, ConnectOptions(client_id=client_id)) as connection:
        page = CompanionPage(connection)
        running = asyncio.create_task(page.run())
        try:
            await page.connect()
            await eventually(lambda: page.state == "connected")
            yield page
        finally:
            running.cancel()
            await page.close()


@contextlib.asynccontextmanager
async def companion_backend(broker: Broker) -> AsyncIterator[CompanionBackend]:
    """The backend's agent; media is the business of a :mod:`.media_backend` next to it."""
    async with connect(broker, ConnectOptions(client_id="companion-agent")) as connection:
        backend = CompanionBackend(connection)
        connection.on_message = backend.receive
        await connection.subscribe(Subscription("$message/+/multimedia_proxy"))
        yield backend
