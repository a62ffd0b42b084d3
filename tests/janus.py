"""Janus, a media server, with one room of its VideoRoom plugin: start it, publish and subscribe through its API.

https://janus.conf.meetecho.com/docs/rest and https://janus.conf.meetecho.com/docs/videoroom describe that.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.waiting import DEADLINE_S, eventually

ROOM = 1
_CODE = ("plugins/libjanus_videoroom.so", "transports/libjanus_websockets.so")
_SETTINGS = {
    "janus.jcfg": """general: {{
        configs_folder = "{0}"  plugins_folder = "{0}/plugins"  transports_folder = "{0}/transports"
        events_folder = "{0}"  loggers_folder = "{0}"  session_timeout = 0  admin_secret = "admin"
        debug_level = 3  debug_colors = false }}""",
    "janus.transport.websockets.jcfg": """general: {{ ws = true  ws_unix = "{0}/api"  json = "compact" }}
        admin: {{ admin_ws = true  admin_ws_unix = "{0}/admin" }}""",
    "janus.plugin.videoroom.jcfg": f"""room-{ROOM}: {{{{
        publishers = 10  bitrate = 0  fir_freq = 0  audiocodec = "opus"  videocodec = "h264,vp8" }}}}""",
}


class JanusError(Exception):
    """A request that Janus refused; says its reason."""


class Participant:
    """A publisher or a subscriber: one peer connection of Janus, a *handle* of its API."""

    def __init__(self, janus: Janus, handle: int) -> None:
        self._janus = janus
        self.handle = handle
        self.reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.feed = 0
        """The id under which subscribers find a publisher."""

    async def happened(self, kind: str) -> dict[str, Any]:
        """Wait until Janus reports this: ``webrtcup``, ``media``, ``hangup``, ...; others before it are passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while (event := await self.reports.get())["janus"] != kind:
                pass
            return event

    async def send(self, request: str, jsep: dict[str, str] | None = None, **fields: object) -> dict[str, Any]:
        """Send a request to the plugin; return its event.

        Raises:
            JanusError: it was refused.
        """
        body = {"request": request, **fields}
        more = {} if jsep is None else {"jsep": jsep}
        event = await self._janus.request("message", handle_id=self.handle, body=body, **more)
        data = event["plugindata"]["data"]
        if "error" in data:
            raise JanusError(data["error"])
        return event

    async def leave(self) -> None:
        """Close its peer connection, if the peer has not: then Janus has reported the hangup, else it reports none."""
        await self._janus.request("detach", handle_id=self.handle)
        self.reports.put_nowait({"janus": "hangup", "reason": "detached"})


class Janus:
    """A session of the API of a server, whose ``process`` has its settings in ``folder``."""

    def __init__(self, api: ClientConnection, folder: Path, process: asyncio.subprocess.Process | None) -> None:
        self._process = process
        self.folder = folder
        self._socket = api
        self._numbers = itertools.count(1)
        self._session: dict[str, int] = {}
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._participants: dict[int, Participant] = {}

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The server's."""
        assert self._process is not None, "it is another's"
        return self._process

    async def received_bytes(self, publisher: Participant) -> int:
        """How many bytes of video Janus has received of a publisher, by its admin API."""
        protocols = [Subprotocol("janus-admin-protocol")]
        async with unix_connect(str(self.folder / "admin"), "ws://janus/", subprotocols=protocols) as admin:
            about = {"janus": "handle_info", "handle_id": publisher.handle, **self._session}
            await admin.send(json.dumps({"transaction": "bytes", "admin_secret": "admin", **about}))
            info = json.loads(await admin.recv())["info"]
        return int(info["webrtc"]["media"]["0"]["stats"]["in"]["bytes"])

    async def read(self) -> None:
        """Sort what Janus sends, until it closes the connection."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                message = json.loads(text)
                transaction = message.get("transaction", "")
                if message["janus"] == "ack" and transaction.startswith("message"):
                    continue  # the plugin's event follows
                if transaction in self._replies:
                    self._replies[transaction].set_result(message)
                elif message.get("sender") in self._participants:
                    self._participants[message["sender"]].reports.put_nowait(message)

    async def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request; return its reply.

        Raises:
            JanusError: it was refused.
        """
        transaction = f"{kind} {next(self._numbers)}"
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[transaction] = reply
        try:
            await self._socket.send(json.dumps({"janus": kind, "transaction": transaction, **self._session, **fields}))
            message = await asyncio.wait_for(reply, DEADLINE_S)
        finally:
            del self._replies[transaction]
        if message["janus"] == "error":
            raise JanusError(message["error"]["reason"])
        return message

    async def open(self) -> None:
        """Begin the session: the first request."""
        self._session = {"session_id": (await self.request("create"))["data"]["id"]}

    async def attach(self) -> Participant:
        """A participant that has not joined yet."""
        handle = (await self.request("attach", plugin="janus.plugin.videoroom"))["data"]["id"]
        participant = self._participants[handle] = Participant(self, handle)
        return participant

    async def publish(self, offer: str) -> tuple[Participant, str]:
        """Pass a publisher's offer to the room; return the publisher and Janus' answer."""
        publisher = await self.attach()
        jsep = {"type": "offer", "sdp": offer}
        event = await publisher.send("joinandconfigure", jsep, room=ROOM, ptype="publisher")
        publisher.feed = event["plugindata"]["data"]["id"]
        return publisher, event["jsep"]["sdp"]

    @contextlib.asynccontextmanager
    async def watching(self, publisher: Participant | int) -> AsyncIterator[MediaStreamTrack]:
        """Subscribe to a publisher, or its feed, with a peer connection of our own; its video."""
        feed = publisher if isinstance(publisher, int) else publisher.feed
        subscriber = await self.attach()
        event = await subscriber.send("join", room=ROOM, ptype="subscriber", streams=[{"feed": feed}])
        rtc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            await rtc.setRemoteDescription(RTCSessionDescription(**event["jsep"]))
            await rtc.setLocalDescription()
            await subscriber.send("start", {"type": "answer", "sdp": rtc.localDescription.sdp})
            yield next(t.receiver.track for t in rtc.getTransceivers() if t.kind == "video")
        finally:
            await rtc.close()
            await subscriber.leave()


def _prepare(folder: Path) -> None:
    for file, settings in _SETTINGS.items():
        (folder / file).write_text(settings.format(folder))
    installed = next(Path("/usr/lib").glob("*/janus"))
    for file in _CODE:  # Janus loads whatever it finds in a folder
        (folder / file).parent.mkdir()
        (folder / file).symlink_to(installed / file)


@contextlib.asynccontextmanager
async def session_of(folder: Path, process: asyncio.subprocess.Process | None = None) -> AsyncIterator[Janus]:
    """A session of the API of the server with its settings in that folder."""
    protocols = [Subprotocol("janus-protocol")]
    async with unix_connect(str(folder / "api"), "ws://janus/", subprotocols=protocols) as api:
        janus = Janus(api, folder, process)
        reading = asyncio.create_task(janus.read())
        try:
            await janus.open()
            yield janus
        finally:
            reading.cancel()
            await asyncio.wait({reading})


def _listens(path: Path) -> bool:
    """A socket is there before its server listens."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@contextlib.asynccontextmanager
async def running_janus() -> AsyncIterator[Janus]:
    """A server with its settings in a folder of its own, and no port but those of media; and a session of its API."""
    with tempfile.TemporaryDirectory(prefix="janus-") as name:
        folder = Path(name)
        _prepare(folder)
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "janus", "-F", name, "-C", str(folder / "janus.jcfg")),
            stdout=2,  # standard output is a benchmark's result
        )
        try:
            await eventually(lambda: _listens(folder / "api"), "Janus listens")
            async with session_of(folder, process) as janus:
                yield janus
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
