"""For how long a stranger's message stops the robot, and what it takes: the worst of each kind, in the allowed size.

``python -m benchmarks.worst_input`` prints one JSON line:

* ``worst_pause_ms``: the longest pause of the robot's event loop that any message caused. Target: below 50.
* ``worst_busy_ms``: of such a pause the time in which the loop's thread had a processor: the same on a quiet machine,
  and what counts on a busy one.
* ``memory_mb``: by how much the process grew over all of them, in MB.
* ``kinds``: the same for each kind of input, with the message that was worst (``worst``), and how many were tried:
  ``mcp_calls``, ``mcp_openings`` (the control topic), ``mcp_large`` (a packet that the broker still delivers),
  ``mcp_flood`` (64 messages of 1 MiB at once), ``mqtt_properties``, ``sdp``, ``candidates``, ``signalling``,
  ``backend`` (``$message``), ``data_channel``, ``http`` (console and metrics), ``settings`` (a file of 256 KiB, read
  as after SIGHUP) and ``state`` (the file with what survives a restart).

Each message is sent several times (``--rounds``), and counts with the median of the pauses: whatever else the machine
does for a moment does not decide, and neither does a garbage collection that would have come anyway. The robot is a
process of its own, with console, metrics, dialer and a viewer's session, on simulated hardware.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from benchmarks import _worst_payloads as payloads
from benchmarks._processes import LOOPBACK, Peer, peer, robot_settings, server_of, watchable
from benchmarks._report import BenchmarkError, command_line, positive, print_result, progress
from robot_node.apps.private_broker import PrivateBroker, free_port
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, connect
from robot_node.robot import saved_state
from robot_node.webrtc.dialer import dialer_client_id
from robot_node.webrtc.messages import messages_topic
from robot_node.webrtc.signaling import MAX_MESSAGE_BYTES, Answer, Offer, answers_topic, encode, offers_topic, parse

_ROBOT_ID = "robot"
_LARGEST_PACKET = 8 * payloads.MEBIBYTE - 4096
_SETTLE_S = 0.1
_ANSWER_S = 30.0

Action = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Kind:
    """What was measured of one kind of input."""

    pauses_ms: dict[str, float] = field(default_factory=dict)
    busy_ms: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0

    def as_result(self) -> dict[str, Any]:
        worst = max(self.busy_ms, key=self.busy_ms.__getitem__)
        return {
            "worst_pause_ms": max(self.pauses_ms.values()),
            "worst_busy_ms": self.busy_ms[worst],
            "memory_mb": round(self.memory_mb, 1),
            "worst": worst,
            "messages": len(self.busy_ms),
        }


class _Observed:
    """The robot's process, and what its messages cost it."""

    def __init__(self, process: Peer, rounds: int, step: int) -> None:
        self._process = process
        self._rounds = rounds
        self._step = step
        self.kinds: dict[str, _Kind] = {}

    async def ask(self, do: str, **details: Any) -> Any:
        """Have the process do something itself."""
        return await self._process.ask(do, **details)

    async def measure(self, kind: str, cases: Iterable[tuple[str, Action]], handled: Action) -> None:
        """Send each message some times.

        Args:
            kind: What they are.
            cases: Their names, and what sends them.
            handled: Returns once the robot has handled what was sent before.
        """
        measured = self.kinds.setdefault(kind, _Kind())
        before = (await self.ask("pause"))["resident_mib"]
        for name, send in tuple(cases)[:: self._step]:
            pauses, busy = [], []
            for _ in range(self._rounds):
                await asyncio.sleep(_SETTLE_S)
                await self.ask("pause")
                await send()
                await handled()
                await asyncio.sleep(_SETTLE_S)
                figures = await self.ask("pause")
                pauses.append(figures["pause_ms"])
                busy.append(figures["busy_ms"])
                measured.memory_mb = max(measured.memory_mb, figures["resident_mib"] - before)
            measured.pauses_ms[name] = statistics.median(pauses)
            measured.busy_ms[name] = statistics.median(busy)
        shown = measured.as_result()
        progress(
            f"{kind}: {shown['worst_busy_ms']:.1f} ms busy ({shown['worst']}), "
            f"{shown['worst_pause_ms']:.1f} ms late, {shown['memory_mb']:.0f} MB"
        )


class _Stranger:
    """An MQTT client that sends what it likes, and hears what is answered."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._answers: asyncio.Queue[Incoming] = asyncio.Queue()
        connection.on_message = self._answers.put_nowait

    def sends(self, topic: str, payload: bytes) -> Action:
        async def send() -> None:
            while not self._answers.empty():
                self._answers.get_nowait()
            await self.connection.publish(topic, payload)

        return send

    async def until(self, wanted: Callable[[bytes], bool]) -> bytes:
        """The first answer that fits.

        Raises:
            BenchmarkError: it doesn't come.
        """
        try:
            async with asyncio.timeout(_ANSWER_S):
                while not wanted(payload := (await self._answers.get()).payload):
                    pass
        except TimeoutError as error:
            raise BenchmarkError("The robot does not answer any more.") from error
        return payload


@contextlib.asynccontextmanager
async def _stranger(
    private: PrivateBroker, *topics: str, name: str = "", properties: Iterable[tuple[str, str]] = ()
) -> AsyncIterator[_Stranger]:
    client_id = name or f"stranger-{secrets.token_hex(4)}"
    identity = (("MCP-MQTT-CLIENT-ID", client_id),)
    options = ConnectOptions(client_id=client_id, publish_properties=(*identity, *properties))
    async with connect(Broker.from_url(private.url), options) as connection:
        stranger = _Stranger(connection)
        if topics:
            await connection.subscribe(*(Subscription(topic, no_local=True) for topic in topics))
        yield stranger


async def _mcp(observed: _Observed, private: PrivateBroker) -> None:
    server = server_of(_ROBOT_ID)
    name = "stranger"
    async with _stranger(private, server.rpc(name), name=name) as stranger:
        rpc = server.rpc(name)
        await _open(stranger, server)

        async def handled() -> None:
            marker = secrets.token_hex(4)
            await stranger.connection.publish(rpc, _request(marker, "ping"))
            await stranger.until(lambda payload: marker.encode() in payload)

        calls = [(case, stranger.sends(rpc, payload)) for case, payload in payloads.calls(payloads.MEBIBYTE)]
        await observed.measure("mcp_calls", calls, handled)
        large = payloads.call(1, "get_status", f'{{"x":"{"x" * (_LARGEST_PACKET - 200)}"}}')
        await observed.measure("mcp_large", [("a call of 8 MiB", stranger.sends(rpc, large))], handled)

        async def flood() -> None:
            for number in range(64):
                await stranger.connection.publish(
                    rpc, payloads.call(number, "show_text", f'{{"text":"{"x" * (payloads.MEBIBYTE - 300)}"}}')
                )

        await observed.measure("mcp_flood", [("64 calls of 1 MiB", flood)], handled)

    async def open_again() -> None:  # the robot takes few openings of one client: others knock
        async with _stranger(private, server.rpc("marker"), name="marker") as marker:
            await _open(marker, server)

    async def knock(payload: bytes) -> None:
        async with _stranger(private) as knocking:
            await knocking.connection.publish(server.control, payload, qos=1)
            await asyncio.sleep(_SETTLE_S)

    openings = [(case, partial(knock, payload)) for case, payload in payloads.openings(payloads.MEBIBYTE)]
    await observed.measure("mcp_openings", openings, open_again)


async def _open(stranger: _Stranger, server: ServerTopics) -> None:
    await stranger.connection.publish(
        server.control,
        _request(
            "open",
            "initialize",
            {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "stranger", "version": "1"}},
        ),
    )
    await stranger.until(lambda payload: b'"open"' in payload)


def _request(request_id: str, method: str, params: dict[str, Any] | None = None) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}).encode()


async def _properties(observed: _Observed, private: PrivateBroker) -> None:
    server = server_of(_ROBOT_ID)
    cases: list[tuple[str, Action]] = []
    async with contextlib.AsyncExitStack() as stack:
        for name, count, text in (
            ("3000 pairs", 3_000, "x"),
            ("20 000 pairs", 20_000, "x"),
            ("64 pairs of 64 KiB", 64, "x" * 65_000),
        ):
            pairs = [("", text)] * count
            stranger = await stack.enter_async_context(_stranger(private, properties=pairs))
            for topic_name, topic in (("MCP", server.control), ("WebRTC", offers_topic("stranger", _ROBOT_ID))):
                cases.append((f"{topic_name}: {name}", stranger.sends(topic, b"{}")))
        marker = await stack.enter_async_context(_stranger(private, server.rpc("marker"), name="marker"))
        await observed.measure("mqtt_properties", cases, lambda: _open(marker, server))


async def _webrtc(observed: _Observed, private: PrivateBroker) -> None:
    name = f"stranger-{secrets.token_hex(4)}"
    topic = offers_topic(name, _ROBOT_ID)
    async with _stranger(private, answers_topic(name), name=name) as stranger:

        async def handled() -> None:
            await stranger.connection.publish(topic, encode(Offer("v=0")))
            await stranger.until(lambda payload: b"webrtc_terminated" in payload)

        async def offer(sdp: str) -> None:
            await stranger.connection.publish(topic, encode(Offer(sdp)))
            await asyncio.sleep(5 * _SETTLE_S)  # for what is negotiated and gathered

        sdps = [(case, partial(offer, sdp)) for case, sdp in payloads.offers()]
        await observed.measure("sdp", sdps, handled)

        async def trickle() -> None:
            await offer(dict(payloads.offers())["bundled sections"])
            for candidate in payloads.candidates(64):
                payload = json.dumps({"type": "ice_candidate", "data": candidate}).encode()
                await stranger.connection.publish(topic, payload)

        await observed.measure("candidates", [("64 in a session", trickle)], handled)
        messages = [(case, stranger.sends(topic, payload)) for case, payload in payloads.signalling(MAX_MESSAGE_BYTES)]
        await observed.measure("signalling", messages, handled)
        called = messages_topic(dialer_client_id(_ROBOT_ID))
        spoken = (*payloads.signalling(MAX_MESSAGE_BYTES, "payload"), *payloads.speech())
        said = [(case, stranger.sends(called, payload)) for case, payload in spoken]
        await observed.measure("backend", said, handled)


async def _data_channel(observed: _Observed, private: PrivateBroker) -> None:
    name = f"viewer-{secrets.token_hex(4)}"
    viewer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        async with _stranger(private, answers_topic(name), name=name) as stranger:
            viewer.addTransceiver("video", direction="recvonly")
            channel = viewer.createDataChannel("status")
            opened = asyncio.Event()
            channel.on("open", opened.set)
            await viewer.setLocalDescription()
            await stranger.connection.publish(offers_topic(name, _ROBOT_ID), encode(Offer(viewer.localDescription.sdp)))
            answer = parse(await stranger.until(lambda payload: b"sdp_answer" in payload))
            assert isinstance(answer, Answer)
            await viewer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
            async with asyncio.timeout(_ANSWER_S):
                await opened.wait()

            async def send(text: str, times: int) -> None:
                for _ in range(times):
                    channel.send(text)
                async with asyncio.timeout(_ANSWER_S):
                    while channel.bufferedAmount:  # noqa: ASYNC110  # there is an event for the last message only
                        await asyncio.sleep(_SETTLE_S / 10)

            async def open_many() -> None:
                for number in range(64):
                    viewer.createDataChannel(f"channel {number}")
                await asyncio.sleep(_SETTLE_S)

            cases: list[tuple[str, Action]] = [
                ("a message of 256 KiB", lambda: send("x" * 262_144, 1)),
                ("256 messages of a byte", lambda: send("x", 256)),
                ("64 channels", open_many),
            ]
            await observed.measure("data_channel", cases, lambda: asyncio.sleep(_SETTLE_S))
    finally:
        await viewer.close()


async def _http(observed: _Observed, ports: dict[str, int]) -> None:
    async def request(port: int, head: str, body: bytes = b"") -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(f"{head}\r\n\r\n".encode() + body)
                await writer.drain()
                writer.write_eof()
                async with asyncio.timeout(_ANSWER_S):
                    while await reader.read(65_536):
                        pass
        finally:
            writer.close()

    def sends(port: int, head: str, body: bytes = b"") -> Action:
        return lambda: request(port, head, body)

    cases: list[tuple[str, Action]] = []
    for name, port in ports.items():
        host = f"Host: {LOOPBACK}:{port}"
        page, metrics = f"GET / HTTP/1.1\r\n{host}", f"GET /metrics HTTP/1.1\r\n{host}"
        post = f"POST / HTTP/1.1\r\n{host}\r\nContent-Length: {payloads.MEBIBYTE}"
        cases += [
            (f"{name}: a page", sends(port, page)),
            (f"{name}: metrics", sends(port, metrics)),
            (f"{name}: a path of 15 KiB", sends(port, f"GET /{'x' * 15_000} HTTP/1.1\r\n{host}")),
            (f"{name}: 900 headers", sends(port, page + "".join(f"\r\nX-{number}: x" for number in range(900)))),
            (f"{name}: a header of 64 KiB", sends(port, f"{page}\r\nAccept: {'x' * 65_000}")),
            (f"{name}: a header that lists", sends(port, f"{metrics}\r\nAccept: {'a/b;q=1,' * 1_500}")),
            (f"{name}: a body of 1 MiB", sends(port, post, b"x" * payloads.MEBIBYTE)),
            (f"{name}: 100 requests at once", sends(port, "\r\n\r\n".join([page] * 100))),
        ]
    await observed.measure("http", cases, lambda: asyncio.sleep(0))


async def _files(observed: _Observed, folder: Path) -> None:
    cases: dict[str, list[tuple[str, Action]]] = {"settings": [], "state": []}
    entries = "".join(f'[pins.outputs.led{number}]\nkind = "led"\npin = 5\n' for number in range(5_000))
    texts = {
        ("settings", "5000 tables"): entries,
        ("settings", "lists"): "x = [" + "[]," * 80_000 + "]",
        ("settings", "nested"): "x = " + "[" * 100_000,
        ("state", "lists"): '{"version":1,"x":[' + "[]," * ((saved_state.MAX_BYTES - 30) // 3) + "[]]}",
        ("state", "nested"): "[" * saved_state.MAX_BYTES,
    }
    for number, ((kind, name), text) in enumerate(texts.items()):
        file = folder / f"{number}"
        file.write_text(text)
        do = "load" if kind == "settings" else "state"

        async def read(do: str = do, file: Path = file) -> None:
            await observed.ask(do, file=str(file))

        cases[kind].append((name, read))
    for kind, of_kind in cases.items():
        await observed.measure(kind, of_kind, lambda: asyncio.sleep(0))


async def measure(rounds: int, step: int = 1) -> dict[str, Any]:
    """Send everything to one robot.

    Args:
        rounds: How often each message is sent.
        step: Of each kind only every such message is sent.

    Returns:
        What is printed.
    """
    ports = {"console": free_port(8088), "metrics": free_port(9464)}
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        private = await stack.enter_async_context(PrivateBroker())
        settings = robot_settings(
            private,
            camera__width="320",
            camera__height="240",
            console__enabled="true",
            console__port=str(ports["console"]),
            metrics__enabled="true",
            metrics__port=str(ports["metrics"]),
            dialer__enabled="true",
            dialer__call_at_start="false",
            webrtc__offers_per_minute="6000",
            mcp__max_sessions="1000",
            pins__outputs='{"lamp": {"kind": "rgb_led", "pins": [13, 19, 26]}}',
            log__level="error",
        )
        process = await stack.enter_async_context(peer("benchmarks._observed_robot", _ROBOT_ID, environment=settings))
        await watchable(private, _ROBOT_ID)
        observed = _Observed(process, rounds, step)
        await asyncio.sleep(1)
        before = (await observed.ask("pause"))["resident_mib"]
        await _mcp(observed, private)
        await _properties(observed, private)
        await _webrtc(observed, private)
        await _data_channel(observed, private)
        await _http(observed, ports)
        await _files(observed, folder)
        after = (await observed.ask("pause"))["resident_mib"]
    kinds = {name: kind.as_result() for name, kind in observed.kinds.items()}
    return {
        "worst_pause_ms": max(kind["worst_pause_ms"] for kind in kinds.values()),
        "worst_busy_ms": max(kind["worst_busy_ms"] for kind in kinds.values()),
        "memory_mb": round(after - before, 1),
        "kinds": kinds,
        "rounds": rounds,
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.worst_input", __doc__)
    parser.add_argument(
        "--rounds", type=positive, default=5, metavar="N", help="how often each message is sent (default: 5)"
    )
    parser.add_argument("--quick", action="store_true", help="a few messages, once each, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(1, step=20) if arguments.quick else measure(arguments.rounds))


if __name__ == "__main__":
    main()
