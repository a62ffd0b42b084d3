"""For how long a stranger's message stops the robot, and what it takes: the worst of each kind, in the allowed size.

``python -m benchmarks.worst_input`` prints one JSON line:

* ``worst_pause_ms``: the longest pause of the robot's event loop that any message caused. Target: below 50.
* ``worst_busy_ms``: of such a pause the time in which the loop's thread had a processor: the same on a quiet machine,
  and what counts on a busy one.
* ``memory_mb``: by how much the process grew over all of them, in MB.
* ``kinds``: the same for each kind of input, with the message that was worst (``worst``), and how many were tried:
  ``mcp_calls``, ``mcp_openings`` (the control topic), ``mcp_large`` (a packet that the broker still delivers),
  ``mcp_flood`` (64 messages of 1 MiB at once), ``mqtt_properties``, ``sdp``, ``candidates``, ``signalling``,
  ``backend`` (``$message``), ``data_channel``, ``sound`` (3000 packets a second of a viewer who may speak), ``http``
  (console and metrics), ``settings`` (a file of 256 KiB, read as after SIGHUP) and ``state`` (the file with what
  survives a restart).

Each message is sent several times (``--rounds``), and counts with the median of the pauses: whatever else the machine
does for a moment does not decide, and neither does a garbage collection that would have come anyway. The robot is a
process of its own, with console, metrics, dialer and a viewer's session, on simulated hardware.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import _worst_media
from benchmarks import _worst_payloads as payloads
from benchmarks._observed import ANSWER_S, SETTLE_S, Action, Observed, Stranger, a_stranger
from benchmarks._processes import LOOPBACK, peer, robot_settings, server_of, watchable
from benchmarks._report import command_line, positive, print_result
from robot_node.apps.private_broker import PrivateBroker, free_port
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.robot import saved_state
from robot_node.webrtc.dialer import dialer_client_id
from robot_node.webrtc.messages import messages_topic
from robot_node.webrtc.signaling import MAX_MESSAGE_BYTES, Offer, answers_topic, encode, offers_topic

_ROBOT_ID = "robot"
_LARGEST_PACKET = 8 * payloads.MEBIBYTE - 4096


async def _mcp(observed: Observed, private: PrivateBroker) -> None:
    server = server_of(_ROBOT_ID)
    name = "stranger"
    async with a_stranger(private, server.rpc(name), name=name) as stranger:
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
        async with a_stranger(private, server.rpc("marker"), name="marker") as marker:
            await _open(marker, server)

    async def knock(payload: bytes) -> None:
        async with a_stranger(private) as knocking:
            await knocking.connection.publish(server.control, payload, qos=1)
            await asyncio.sleep(SETTLE_S)

    openings = [(case, partial(knock, payload)) for case, payload in payloads.openings(payloads.MEBIBYTE)]
    await observed.measure("mcp_openings", openings, open_again)


async def _open(stranger: Stranger, server: ServerTopics) -> None:
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


async def _properties(observed: Observed, private: PrivateBroker) -> None:
    server = server_of(_ROBOT_ID)
    cases: list[tuple[str, Action]] = []
    async with contextlib.AsyncExitStack() as stack:
        for name, count, text in (
            ("3000 pairs", 3_000, "x"),
            ("20 000 pairs", 20_000, "x"),
            ("64 pairs of 64 KiB", 64, "x" * 65_000),
        ):
            pairs = [("", text)] * count
            stranger = await stack.enter_async_context(a_stranger(private, properties=pairs))
            for topic_name, topic in (("MCP", server.control), ("WebRTC", offers_topic("stranger", _ROBOT_ID))):
                cases.append((f"{topic_name}: {name}", stranger.sends(topic, b"{}")))
        marker = await stack.enter_async_context(a_stranger(private, server.rpc("marker"), name="marker"))
        await observed.measure("mqtt_properties", cases, lambda: _open(marker, server))


async def _webrtc(observed: Observed, private: PrivateBroker) -> None:
    name = f"stranger-{secrets.token_hex(4)}"
    topic = offers_topic(name, _ROBOT_ID)
    async with a_stranger(private, answers_topic(name), name=name) as stranger:

        async def handled() -> None:
            await stranger.connection.publish(topic, encode(Offer("v=0")))
            await stranger.until(lambda payload: b"webrtc_terminated" in payload)

        async def offer(sdp: str) -> None:
            await stranger.connection.publish(topic, encode(Offer(sdp)))
            await asyncio.sleep(5 * SETTLE_S)  # for what is negotiated and gathered

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


async def _http(observed: Observed, ports: dict[str, int]) -> None:
    async def request(port: int, head: str, body: bytes = b"") -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(f"{head}\r\n\r\n".encode() + body)
                await writer.drain()
                writer.write_eof()
                async with asyncio.timeout(ANSWER_S):
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


async def _files(observed: Observed, folder: Path) -> None:
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
            audio__loudspeaker="default",
            audio__viewer_may_speak="true",
            dialer__enabled="true",
            dialer__call_at_start="false",
            webrtc__offers_per_minute="6000",
            mcp__max_sessions="1000",
            pins__outputs='{"lamp": {"kind": "rgb_led", "pins": [13, 19, 26]}}',
            log__level="error",
        )
        process = await stack.enter_async_context(peer("benchmarks._observed_robot", _ROBOT_ID, environment=settings))
        await watchable(private, _ROBOT_ID)
        observed = Observed(process, rounds, step)
        await asyncio.sleep(1)
        before = (await observed.ask("pause"))["resident_mib"]
        await _mcp(observed, private)
        await _properties(observed, private)
        await _webrtc(observed, private)
        await _worst_media.data_channel(observed, private, _ROBOT_ID)
        await _worst_media.sound(observed, private, _ROBOT_ID)
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
