"""What messages hold from their arrival to their answer is limited, by session and in all, and is given back."""

from __future__ import annotations

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.memory import SMALL_BYTES, MemoryBudget
from tests.mcp_mqtt.peers import RawPeer, call, raw_peer, request
from tests.mcp_mqtt.toys import Toy, running

LARGE = 100 * 1024
MEBIBYTE = 1024 * 1024


def test_a_session_and_all_of_them_have_limits_and_get_back_what_they_gave() -> None:
    memory = MemoryBudget(2 * LARGE, 3 * LARGE)
    assert [memory.take("a", LARGE) for _ in range(3)] == [True, True, False]
    assert [memory.take("b", LARGE) for _ in range(2)] == [True, False]
    assert memory.held == 3 * LARGE
    memory.give_back("a", LARGE)
    assert not memory.take("a", 2 * LARGE)
    assert memory.take("b", LARGE)
    memory.close("b")
    memory.give_back("b", LARGE)  # an answer of a session that is over
    assert memory.held == LARGE
    memory.give_back("a", LARGE)
    assert memory.held == 0


def test_small_messages_pass_whoever_holds_all_memory() -> None:
    memory = MemoryBudget(LARGE, LARGE)
    assert memory.take("greedy", LARGE)
    assert memory.take("other", SMALL_BYTES)
    assert not memory.take("other", SMALL_BYTES + 1)
    memory.give_back("other", SMALL_BYTES)
    assert memory.held == LARGE


def test_a_message_above_the_limit_passes_alone() -> None:
    memory = MemoryBudget(LARGE, LARGE)
    assert memory.take("a", 10 * LARGE)
    assert not memory.take("a", LARGE)
    assert not memory.take("b", LARGE)
    memory.close("a")
    assert memory.take("b", 10 * LARGE)


async def answered(peer: RawPeer, request_id: int) -> int:
    """The error code of an answer; 0 when it is a result."""
    code: int = (await peer.answer(request_id)).get("error", {}).get("code", 0)
    return code


async def test_of_twenty_legal_messages_of_a_mebibyte_eight_are_held(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "greedy") as greedy, raw_peer(broker, "modest") as modest:
        await greedy.open_session()
        await modest.open_session()
        for number in range(1, 21):
            await greedy.rpc(call(number, "wait", name="x" * 1_000_000))
        assert [await answered(greedy, number) for number in range(9, 21)] == [-32015] * 12
        await modest.rpc(call(1, "add", a=1, b=2))
        assert await answered(modest, 1) == 0
        toy.release.set()
        assert [await answered(greedy, number) for number in range(1, 9)] == [0] * 8
        await greedy.rpc(call(21, "wait", name="x" * 1_000_000))
        assert await answered(greedy, 21) == 0


async def test_clients_that_hold_all_memory_take_no_small_call_from_others(broker: PrivateBroker, toy: Toy) -> None:
    async with (
        running(broker, toy, session_bytes=MEBIBYTE, all_sessions_bytes=2 * MEBIBYTE),
        raw_peer(broker, "one") as one,
        raw_peer(broker, "two") as two,
        raw_peer(broker, "three") as three,
    ):
        for peer in (one, two, three):
            await peer.open_session()
        for peer in (one, two):
            await peer.rpc(call(1, "wait", name="x" * 1_000_000))
            assert await toy.started.get() == "x" * 1_000_000
        await three.rpc(call(1, "wait", name="x" * 100_000))
        assert await answered(three, 1) == -32015
        await three.rpc(call(2, "add", a=1, b=2))
        assert await answered(three, 2) == 0
        await one.leave()  # and what it held is free
        assert "cancelled" in await toy.ended.get()
        toy.release.set()
        await three.rpc(call(3, "wait", name="x" * 100_000))
        assert await answered(three, 3) == 0


@pytest.mark.parametrize("request_id", [1, "one"])
async def test_a_cancelled_request_holds_nothing(broker: PrivateBroker, toy: Toy, request_id: int | str) -> None:
    async with running(broker, toy, session_bytes=MEBIBYTE), raw_peer(broker, "hasty") as hasty:
        await hasty.open_session()
        for _ in range(20):
            await hasty.rpc(call(request_id, "wait", name="x" * 1_000_000))
            assert await toy.started.get() == "x" * 1_000_000
            cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
            await hasty.rpc(cancelled)
            assert "cancelled" in await toy.ended.get()
            await hasty.rpc(request("marker", "ping"))
            assert "result" in await hasty.answer("marker")
