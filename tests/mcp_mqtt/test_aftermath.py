"""After whatever a stranger did, another client's call succeeds within its usual time, and memory is what it was."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import (
    CONTROL,
    DISCONNECTED,
    INITIALIZED,
    SERVER_ID,
    SERVER_NAME,
    call,
    initialize,
    request,
    rpc_topic,
)
from tests.mcp_mqtt.raw_socket import RawSocket, publish, raw_socket, subscribe
from tests.waiting import DEADLINE_S

MEMORY_BOUND = 512 * 1024
"""Bytes by which the server may have grown after an attack: less than any of them costs while it goes on."""
SLOWDOWN = 5.0
"""Of the median of a few calls, on a machine that does other things as well."""

Attack = Callable[[RawSocket], Awaitable[None]]
ATTACKER = "attacker"
RPC = rpc_topic(ATTACKER)


def rpc(message: bytes | Mapping[str, object], sender: str | None = ATTACKER) -> bytes:
    return publish(RPC, message, sender=sender)


def control(message: bytes | Mapping[str, object], sender: str | None = ATTACKER) -> bytes:
    return publish(CONTROL, message, sender=sender)


async def open_session(attacker: RawSocket) -> None:
    await attacker.send(subscribe(RPC), control(initialize()), rpc(INITIALIZED))
    await attacker.taken()


async def truncated_json(attacker: RawSocket) -> None:
    await open_session(attacker)
    whole = json.dumps(call(1, "add", a=1, b=2)).encode()
    for end in range(len(whole)):
        await attacker.send(rpc(whole[:end]), control(whole[:end]))


async def huge_json(attacker: RawSocket) -> None:
    await open_session(attacker)
    head = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
    for body in (
        b"[" * 1_000_000,
        b'{"a":' * 150_000,
        b'{"x":' + b"1" * 1_000_000 + b"}}",
        b'{"x":[' + b"1," * 450_000 + b"1]}}",
        b"{" + b",".join(b'"%d":1' % number for number in range(80_000)) + b"}}",
        b'{"name":"add","arguments":{"a":"' + b"x" * 1_000_000 + b'","b":1}}}',
        b'{"name":"' + b"x" * 1_000_000 + b'"}}',
    ):
        await attacker.send(rpc(head + body), control(head + body))
    for size in (2_000_000, 8_000_000, 20_000_000):
        await attacker.send(rpc(call(1, "add", a="x" * size)))
    await attacker.send(control(request(1, "m" * 1_000_000)), control(request("i" * 1_000_000, "m")))


async def wrong_types(attacker: RawSocket) -> None:
    await open_session(attacker)
    values: tuple[object, ...] = (None, True, 0, -1, 1.5, 1e308, "", "x", [], [[]], {}, {"a": None}, "\u0000", 2**100)
    whole = call(1, "add", a=1, b=2) | {"params": {"name": "add", "arguments": {}, "_meta": {"progressToken": 1}}}
    paths: list[tuple[str, ...]] = [("jsonrpc",), ("id",), ("method",), ("params",)]
    paths += [("params", key) for key in ("name", "arguments", "_meta")] + [("params", "_meta", "progressToken")]
    for path in paths:
        for value in values:
            changed = json.loads(json.dumps(whole))
            place = changed
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            await attacker.send(rpc(changed), control(changed))
            del place[path[-1]]
            await attacker.send(rpc(changed), control(changed))


async def mutated_messages(attacker: RawSocket) -> None:
    chance = random.Random(4)
    seeds = [json.dumps(message).encode() for message in (initialize(), INITIALIZED, call(1, "add", a=1), DISCONNECTED)]
    topics = [CONTROL, RPC, f"$mcp-client/presence/{ATTACKER}", f"$mcp-client/capability/{ATTACKER}"]
    for _ in range(1000):
        message = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(message))
            message[at : at + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
        await attacker.send(publish(chance.choice(topics), bytes(message), sender=ATTACKER))


async def unknown_methods(attacker: RawSocket) -> None:
    await open_session(attacker)
    for number in range(300):
        method = ("no/such", "", "rpc.x", "notifications/initialized", "\u0000", "é" * 100)[number % 6]
        await attacker.send(rpc(request(number, method)), control(request(number, method)))
        await attacker.send(rpc({"jsonrpc": "2.0", "method": method}))


async def flood_of_calls(attacker: RawSocket) -> None:
    await open_session(attacker)
    await attacker.send_all(rpc(call(number, "add", a=1, b=2)) for number in range(1500))
    await attacker.send_all(rpc(call(number, "wait")) for number in range(1500))


async def flood_of_notifications(attacker: RawSocket) -> None:
    await open_session(attacker)
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 9, "progress": 1}}
    answer = {"jsonrpc": "2.0", "id": "mcp-mqtt-ping-1", "result": {}}
    await attacker.send_all(rpc(message) for _ in range(1000) for message in (cancelled, progress, answer, b"{"))


async def flood_of_subscriptions(attacker: RawSocket) -> None:
    await open_session(attacker)
    for number in range(1000):
        uri = f"toy://{number}/" + "x" * 1000
        await attacker.send(rpc(request(number, "resources/subscribe", {"uri": uri})))


async def ten_thousand_clients(attacker: RawSocket) -> None:
    await attacker.send_all(control(initialize(number), sender=f"new-{number}") for number in range(10_000))


async def clients_that_come_and_go(attacker: RawSocket) -> None:
    await attacker.send(subscribe(rpc_topic("+")))
    guests = [f"guest-{number}" for number in range(10)]
    for _ in range(20):
        await attacker.send_all(control(initialize(), sender=guest) for guest in guests)
        await attacker.published(len(guests))
        for guest in guests:
            await attacker.send(publish(f"$mcp-client/presence/{guest}", DISCONNECTED, sender=guest))


async def one_client_a_thousand_times(attacker: RawSocket) -> None:
    await attacker.send(subscribe(RPC))
    await attacker.send_all(control(initialize(number)) for number in range(1000))


async def a_client_that_never_reads(attacker: RawSocket) -> None:
    await attacker.send(subscribe(RPC), control(initialize()), rpc(INITIALIZED))
    # A hundred megabytes of answers that nobody fetches, asked for as fast as they are made.
    for number in range(1000):
        await attacker.send(rpc(call(number, "much", size=100_000)))
        await asyncio.sleep(0.001)


async def odd_topics(attacker: RawSocket) -> None:
    await open_session(attacker)
    odd = ("", " ", "ü", "🤖", "%s{}", "..", "$SYS", "$share", "\ufffd", "a b", "x" * 1024, "x" * 1025, "'\"\\")
    for level in odd:
        for topic in (f"$mcp-rpc/{level}/{SERVER_ID}/{SERVER_NAME}", f"{RPC}/{level}", f"{CONTROL}/{level}"):
            await attacker.send(publish(topic, call(1, "add"), sender=level or None))
        await attacker.send(control(initialize(), sender=level), control(DISCONNECTED, sender=level))
        await attacker.send(publish(f"$mcp-client/presence/{level}", DISCONNECTED, sender=level))


async def odd_senders(attacker: RawSocket) -> None:
    # Not "bystander", and not without a name: only the broker's access rules keep one from speaking as another.
    await open_session(attacker)
    for sender in ("", "+", "#", "a/b", "somebody", "x" * 10_000, "\ufeff", "\ud7ff"):
        for topic in (CONTROL, RPC, rpc_topic("bystander"), "$mcp-client/presence/bystander"):
            await attacker.send(publish(topic, call(1, "add"), sender=sender))
            await attacker.send(publish(topic, DISCONNECTED, sender=sender))
    for nobody in (None, "x" * 60_000):  # so much counts as nothing
        await attacker.send(control(initialize(), sender=nobody), rpc(call(1, "add"), sender=nobody))
    twice = ("MCP-MQTT-CLIENT-ID", "somebody")
    many = [(str(number), "x" * 50) for number in range(2000)]
    await attacker.send(publish(CONTROL, initialize(), twice, sender=ATTACKER))
    await attacker.send(publish(RPC, DISCONNECTED, twice), publish(RPC, call(1, "add"), *many))


async def retained_messages(attacker: RawSocket) -> None:
    for topic in (CONTROL, RPC, f"$mcp-client/presence/{ATTACKER}", f"$mcp-client/capability/{ATTACKER}"):
        for message in (initialize(), call(1, "wait"), DISCONNECTED):
            await attacker.send(publish(topic, message, sender=ATTACKER, retain=True))
    # They meet whoever subscribes next.
    await open_session(attacker)
    await attacker.send(rpc(DISCONNECTED), control(initialize()))
    await attacker.taken()
    for topic in (CONTROL, RPC, f"$mcp-client/presence/{ATTACKER}", f"$mcp-client/capability/{ATTACKER}"):
        await attacker.send(publish(topic, b"", retain=True))


ATTACKS: tuple[Attack, ...] = (
    truncated_json,
    huge_json,
    wrong_types,
    mutated_messages,
    unknown_methods,
    flood_of_calls,
    flood_of_notifications,
    flood_of_subscriptions,
    ten_thousand_clients,
    clients_that_come_and_go,
    one_client_a_thousand_times,
    a_client_that_never_reads,
    odd_topics,
    odd_senders,
    retained_messages,
)


@pytest.fixture(scope="module")
def victim() -> Iterator[PrivateBroker]:
    """A broker with a server on it, for all attacks."""
    private = PrivateBroker()
    asyncio.run(private.start())
    server = subprocess.Popen([sys.executable, "-m", "tests.mcp_mqtt.victim", private.url])
    try:
        yield private
        assert server.poll() is None
    finally:
        server.terminate()
        server.wait()
        asyncio.run(private.stop())
        private.close()


class Bystander:
    """A well-behaved client, and what it notices."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def median_s(self) -> float:
        """Median time of a few calls."""
        times = []
        for number in range(15):
            began = time.perf_counter()
            result = await self._client.call_tool("add", {"a": number, "b": 1})
            times.append(time.perf_counter() - began)
            assert result.structured_content == {"result": number + 1}
        return statistics.median(times)

    async def allocated(self) -> int:
        """Bytes that the server has allocated."""
        result = await self._client.call_tool("allocated", {})
        assert result.structured_content is not None
        return int(result.structured_content["result"])


@asynccontextmanager
async def bystander(broker: PrivateBroker) -> AsyncIterator[Bystander]:
    address = Broker.from_url(broker.url)
    async with Client(
        mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="bystander", online_timeout_s=DEADLINE_S)
    ) as client:
        yield Bystander(client)


LONG = {
    truncated_json,
    unknown_methods,
    flood_of_calls,
    flood_of_notifications,
    flood_of_subscriptions,
    mutated_messages,
    ten_thousand_clients,
    clients_that_come_and_go,
    a_client_that_never_reads,
}
"""What takes several seconds."""


@pytest.mark.parametrize(
    "attack", [pytest.param(attack, marks=pytest.mark.slow if attack in LONG else ()) for attack in ATTACKS]
)
async def test_afterwards_everything_is_as_it_was(victim: PrivateBroker, attack: Attack) -> None:
    async with bystander(victim) as client:
        if attack is not ten_thousand_clients:
            await attacked(victim, attack)  # what is made once and kept for good is no leak: the second time counts
        usual_s, memory = await client.median_s(), await client.allocated()
        await attacked(victim, attack)
        await settled(client, memory)
        deadline = time.monotonic() + DEADLINE_S
        while (present_s := await client.median_s()) > SLOWDOWN * usual_s:  # a busy machine may be slow too
            assert time.monotonic() < deadline, f"A call takes {present_s:.4f} s; before it took {usual_s:.4f} s"


async def attacked(victim: PrivateBroker, attack: Attack) -> None:
    async with raw_socket(victim.port, ATTACKER) as attacker:
        await attack(attacker)
        if attack is not a_client_that_never_reads:
            await attacker.taken()


async def settled(client: Bystander, memory: int) -> None:
    """Wait until what the attack left behind is gone."""
    deadline = time.monotonic() + DEADLINE_S
    while (now := await client.allocated()) > memory + MEMORY_BOUND:
        assert time.monotonic() < deadline, f"{now - memory} bytes are still allocated"
        await asyncio.sleep(0.1)  # what is asked of another process has no event
