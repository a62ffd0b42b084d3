"""Whether a robot keeps going: agents, viewers, broker restarts and failing hardware, at random from a printed seed.

``python -m benchmarks.soak --minutes N`` prints one JSON line, and ends with status 1 when something is wrong:

* ``failures``: failed checks, as text; empty on success.
* ``calls``: tool calls by outcome. ``ok`` and ``refused`` were answered, ``failed`` ended with an error because the
  broker or the robot was away; ``lost`` calls got neither answer nor error, and there may be none.
* ``sessions``, ``viewers``, ``frames``, ``faults``: what went on.
* ``recovery_p50_s``, ``recovery_max_s``: from the return of the broker to the next answered call, in seconds.
* ``growth``: of the robot's memory (MB, without what its allocator keeps for the next time), tasks, threads and
  descriptors, from after a first round of everything to the end, both times with nobody there.
* ``ghosts``: presence messages on the broker of robots that have left.
* ``seed``, ``minutes``, and ``memory_mb``: of the robot at the end.

The robot is a process of its own with simulated hardware; so are the broker, and those viewers that are killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import statistics
import sys
from collections import Counter
from collections.abc import Coroutine
from random import Random
from typing import Any

from mcp import MCPError

from benchmarks._agent import agent
from benchmarks._processes import Peer, peer, robot_settings, watchable
from benchmarks._report import command_line, print_result, progress
from benchmarks._soak_actors import (
    Account,
    Stage,
    agents_come_and_go,
    broker_fails,
    hardware_fails,
    viewers_are_killed,
    viewers_come_and_go,
)
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RobotNodeError
from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect

_ROBOT_ID = "soaked-robot"
_AGENTS = 3
_VIEWERS = 2
_REPORT_EVERY_S = 30.0
_WARM_UP_S = 15.0
# A viewer that was killed is freed within seconds, a session that never connected within 15 s; the rest is for a
# machine that does other things as well.
_QUIET_LIMIT_S = 60.0
# What is allowed to have been made since the first round: the loop's own pool of threads grows to its size only
# when it is needed, and so do tables and caches.
_ALLOWED = {"memory_mb": 24.0, "tasks": 0, "threads": 8, "descriptors": 4}

_LAST_CALLS: dict[str, dict[str, Any]] = {
    "control_camera": {"enabled": True},
    "take_photo": {},
    "change_emotion": {"emotion": "happy"},
    "get_status": {},
}


async def soak(minutes: float, seed: int) -> dict[str, Any]:
    """Let all of it happen.

    Args:
        minutes: For how long.
        seed: What decides who does what when.

    Returns:
        What is printed.
    """
    progress(f"seed {seed}: {minutes:g} minutes")
    account = Account()
    async with contextlib.AsyncExitStack() as stack:
        private = await stack.enter_async_context(PrivateBroker())
        # Small pictures: the robot is to be kept busy by events, not by pixels. Memory is handed out as to the service.
        settings = robot_settings(
            private, camera__width="320", camera__height="240", camera__frame_rate="15", mcp__max_requests="256"
        )
        robot = await stack.enter_async_context(
            peer("benchmarks._soaked_robot", _ROBOT_ID, environment={**settings, "MALLOC_ARENA_MAX": "2"})
        )
        await watchable(private, _ROBOT_ID)
        await _act(Account(), private, robot, seed, _WARM_UP_S)
        before = await _quiet(robot, None)
        progress(f"after the first round: {_words(before)}")
        await _act(account, private, robot, seed + 1, minutes * 60)
        after = await _quiet(robot, before)
        progress(f"at the end: {_words(after)}")
        failures = await _not_working(private)
        left = await robot.ask("leave")
        ghosts = await _present(private)
    growth = {name: round(after[name] - before[name], 1) for name in _ALLOWED}
    failures += [f"{name} grew by {growth[name]}" for name, most in _ALLOWED.items() if growth[name] > most]
    more = Counter(after["kinds_of_tasks"]) - Counter(before["kinds_of_tasks"])
    failures += [f"{count} more of the task {kind}" for kind, count in more.items()]
    failures += [f"{account.calls['lost']} calls got neither answer nor error"] if account.calls["lost"] else []
    failures += [f"presence of {ghost} is left behind" for ghost in ghosts]
    failures += [f"{after['tracebacks']} tracebacks, the first: {after['first_traceback']}"] * bool(after["tracebacks"])
    failures += ["the camera captures after the robot has left"] * left["capturing"]
    failures += ["the display is lit after the robot has left"] * left["lit"]
    recoveries = account.recoveries_s
    return {
        "failures": failures,
        "calls": dict(account.calls),
        "sessions": dict(account.sessions),
        "viewers": dict(account.viewers),
        "frames": account.frames,
        "faults": dict(account.faults),
        "recovery_p50_s": round(statistics.median(recoveries), 2) if recoveries else None,
        "recovery_max_s": round(max(recoveries), 2) if recoveries else None,
        "growth": growth,
        "memory_mb": after["memory_mb"],
        "ghosts": len(ghosts),
        "seed": seed,
        "minutes": minutes,
    }


async def _act(account: Account, private: PrivateBroker, robot: Peer, seed: int, seconds: float) -> None:
    """Let everybody act for some time; returns when all have ended."""
    stage = Stage(private, _ROBOT_ID, account, asyncio.Event())
    actors: list[tuple[str, Coroutine[Any, Any, None]]] = [
        *((f"agent {n}", agents_come_and_go(stage, Random(f"{seed} agent {n}"))) for n in range(_AGENTS)),
        *((f"viewer {n}", viewers_come_and_go(stage, Random(f"{seed} viewer {n}"))) for n in range(_VIEWERS)),
        ("killer", viewers_are_killed(stage, Random(f"{seed} killer"))),
        ("hardware", hardware_fails(stage, Random(f"{seed} hardware"), robot)),
        ("broker", broker_fails(stage, Random(f"{seed} broker"))),
    ]
    async with asyncio.TaskGroup() as group:
        for name, actor in actors:
            group.create_task(actor, name=name)
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, _REPORT_EVERY_S))
            progress(f"calls {dict(account.calls)}, viewers {dict(account.viewers)}, faults {account.faults.total()}")
        stage.over.set()


async def _quiet(robot: Peer, before: dict[str, Any] | None) -> dict[str, Any]:
    """The robot's figures without agents and viewers; waits until they are not above ``before``, or stop falling."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _QUIET_LIMIT_S
    figures: dict[str, Any] = await robot.ask("figures")
    lowest, since = figures["tasks"], loop.time()
    while loop.time() < deadline:
        await asyncio.sleep(0.5)
        figures = await robot.ask("figures")
        if figures["tasks"] < lowest:
            lowest, since = figures["tasks"], loop.time()
        settled_s = loop.time() - since
        if before is None and settled_s > _QUIET_LIMIT_S / 3:
            break
        if before is not None and all(figures[name] - before[name] <= most for name, most in _ALLOWED.items()):
            break
    return figures


def _words(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figures[name]}" for name in _ALLOWED)


async def _not_working(private: PrivateBroker) -> list[str]:
    """What does not work although everything has been repaired."""
    failures: list[str] = []
    try:
        async with agent(Broker.from_url(private.url), _ROBOT_ID) as client:
            for tool, arguments in _LAST_CALLS.items():
                result = await client.call_tool(tool, arguments)
                if result.is_error:
                    failures.append(f"{tool} does not work any more: {result.content}")
    except* (RobotNodeError, MCPError) as errors:
        failures.append(f"the robot cannot be reached any more: {errors.exceptions[0]}")
    return failures


async def _present(private: PrivateBroker) -> list[str]:
    """Topics on which the broker holds somebody's presence."""
    held: list[str] = []
    marked = asyncio.Event()

    def note(incoming: Incoming) -> None:
        if incoming.topic == marker:
            marked.set()
        elif incoming.payload:
            held.append(incoming.topic)

    marker = f"soak/{secrets.token_hex(4)}"
    async with connect(Broker.from_url(private.url), ConnectOptions(client_id="soak-census"), note) as connection:
        await connection.subscribe(Subscription(topics.presence_filter("#")), Subscription(marker))
        await connection.publish(marker, b"")  # comes after what is retained
        async with asyncio.timeout(_QUIET_LIMIT_S):
            await marked.wait()
    return held


def main() -> None:
    """Read the command line, let it happen, print one JSON line."""
    parser = command_line("benchmarks.soak", __doc__)
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N", help="for how long (default: 30)")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="repeat what this seed decided")
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    result = print_result(soak(arguments.minutes, seed))
    if result["failures"]:
        sys.exit("Failed: " + "; ".join(result["failures"]))


if __name__ == "__main__":
    main()
