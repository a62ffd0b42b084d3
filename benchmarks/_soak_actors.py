"""Actors of the soak test: agents, viewers and fault injection. Each acts at random until cancelled.

Each has its own random generator, so that a seed gives the same plans on any machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mcp import Client, MCPError

from benchmarks._agent import agent
from benchmarks._processes import Peer
from benchmarks._report import progress
from benchmarks._soaked_robot import FAULTS
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.parent_death import end_with_parent
from robot_node.errors import RobotNodeError
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import view

CALL_LIMIT_S = 75.0
"""MCP over MQTT, Time limits: a call is answered, or failed, within 60 s; the rest is for a busy machine."""

_EMOTIONS = ("happy", "sad", "angry", "surprised", "thinking", "laugh", "neutral")
_BREAK_S = 0.5


@dataclass(slots=True)
class Account:
    """What happened, counted.

    Attributes:
        calls: Tool calls by outcome: ``ok``, ``refused`` (a result that says why not), ``failed`` (the session ended),
            ``lost`` (neither answer nor error).
        sessions: Sessions that agents opened; ``not opened`` where the robot or broker was away.
        viewers: Viewers by outcome: ``watched``, ``turned away``, ``killed``.
        frames: Frames that viewers decoded.
        faults: What was broken, and how often.
        recoveries_s: From each return of the broker to the next answered call, in seconds.
        broker_back_at: When the broker came back last, until the next answered call; monotonic clock.
    """

    calls: Counter[str] = field(default_factory=Counter)
    sessions: Counter[str] = field(default_factory=Counter)
    viewers: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)
    broker_back_at: float | None = None

    def answered(self) -> None:
        """A robot has answered a call."""
        if self.broker_back_at is not None:
            self.recoveries_s.append(time.monotonic() - self.broker_back_at)
            self.broker_back_at = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Where they act.

    Attributes:
        private: The broker.
        server_id: The robot.
        account: Where they write down what happened.
        over: Set when it is time to end.
    """

    private: PrivateBroker
    server_id: str
    account: Account
    over: asyncio.Event

    @property
    def broker(self) -> Broker:
        """The broker's address."""
        return Broker.from_url(self.private.url)

    async def pause(self, seconds: float) -> bool:
        """Wait, no longer than to the end; returns whether it goes on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)
        return not self.over.is_set()


async def agents_come_and_go(stage: Stage, chance: Random) -> None:
    """Open a session, call a few tools, leave; again and again."""
    while not stage.over.is_set():
        calls = chance.randint(3, 40)
        try:
            async with agent(stage.broker, stage.server_id) as client:
                stage.account.sessions["opened"] += 1
                for _ in range(calls):
                    if not await _call(stage.account, client, chance):
                        break
                    if not await stage.pause(chance.uniform(0, 0.2)):
                        break
        except* (RobotNodeError, MCPError, OSError):
            stage.account.sessions["not opened"] += 1
            await stage.pause(_BREAK_S)


async def _call(account: Account, client: Client, chance: Random) -> bool:
    """Call one tool, and write down what became of it; returns whether the session can be used further."""
    tool, arguments = _any_call(chance)
    try:
        async with asyncio.timeout(CALL_LIMIT_S):
            result = await client.call_tool(tool, arguments)
    except TimeoutError:
        account.calls["lost"] += 1
        progress(f"{tool} was neither answered nor failed within {CALL_LIMIT_S:g} s.")
        return False
    except (RobotNodeError, MCPError):
        account.calls["failed"] += 1
        return False
    account.calls["refused" if result.is_error else "ok"] += 1
    account.answered()
    return True


def _any_call(chance: Random) -> tuple[str, dict[str, Any]]:
    match chance.randrange(8):
        case 0:
            return "control_camera", {"enabled": chance.random() < 0.8}  # mostly on
        case 1:
            return "take_photo", {}
        case 2:
            return "show_text", {"text": f"number {chance.randrange(1000)}"}
        case 3 | 4:
            return "change_emotion", {"emotion": chance.choice(_EMOTIONS)}
        case _:
            return "get_status", {}


async def viewers_come_and_go(stage: Stage, chance: Random) -> None:
    """Watch for a while, leave; again and again."""
    while await stage.pause(chance.uniform(0, 2)):
        seconds = chance.uniform(0.5, 6)
        try:
            async with view(stage.broker, stage.server_id) as viewing:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        while not stage.over.is_set():
                            await viewing.frame()
                            stage.account.frames += 1
            stage.account.viewers["watched"] += 1
        except (RobotNodeError, OSError):
            stage.account.viewers["turned away"] += 1


async def viewers_are_killed(stage: Stage, chance: Random) -> None:
    """Watch in a process of its own, which is killed in the middle of it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROBOT_NODE_")}
    while await stage.pause(chance.uniform(5, 20)):
        watching = await asyncio.create_subprocess_exec(
            *(*end_with_parent(), sys.executable, "-m", "robot_node", "watch"),
            *(stage.server_id, "--broker", stage.private.url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=clean,
        )
        try:
            await stage.pause(chance.uniform(2, 8))
        finally:
            with contextlib.suppress(ProcessLookupError):
                watching.kill()
            await watching.wait()
        stage.account.viewers["killed"] += 1


async def hardware_fails(stage: Stage, chance: Random, robot: Peer) -> None:
    """Break one thing, repair it a while later; again and again."""
    while await stage.pause(chance.uniform(2, 12)):
        name = chance.choice(tuple(FAULTS))
        stage.account.faults[name] += 1
        await robot.ask("fault", name=name)
        try:
            await stage.pause(chance.uniform(1, 8))
        finally:
            await robot.ask("heal", name=name)


async def broker_fails(stage: Stage, chance: Random) -> None:
    """Restart, kill or pause the broker, let it be away for a while; again and again."""
    private, account = stage.private, stage.account
    ways: dict[str, Callable[[float], Awaitable[None]]] = {
        "broker restarted": lambda away_s: _restart(private, away_s),
        "broker killed": lambda away_s: _restart(private, away_s, killed=True),
        "broker paused": lambda away_s: _pause(private, away_s),
    }
    while await stage.pause(chance.uniform(10, 30)):
        name = chance.choice(tuple(ways))
        account.faults[name] += 1
        await ways[name](chance.uniform(0, 4))
        account.broker_back_at = time.monotonic()


async def _restart(private: PrivateBroker, away_s: float, *, killed: bool = False) -> None:
    if killed:
        private.signal(signal.SIGKILL)
    await private.stop()
    await asyncio.sleep(away_s)
    await private.start()


async def _pause(private: PrivateBroker, away_s: float) -> None:
    private.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(away_s)
    finally:
        private.signal(signal.SIGCONT)
