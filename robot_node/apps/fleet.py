"""Many robots at once, for ``robots --where`` and ``call --all``: which ones, and a request to each of them.

All sessions share one connection, so that one MQTT client id is enough, and a bounded number is open at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

import pydantic_core
from mcp import Client
from mcp_types import CallToolResult, TextResourceContents

from robot_node.apps import remote
from robot_node.apps.conditions import Condition, is_known, missing_names, name_matches, value_of
from robot_node.core.asyncio_tools import first_error
from robot_node.core.json_limits import check_json
from robot_node.core.text import shown
from robot_node.errors import BrokerError, RemoteError, RobotNodeError
from robot_node.mcp_mqtt.client import TimeLimits
from robot_node.mcp_mqtt.presence import Directory, OnlineServer, directory
from robot_node.mqtt import Broker, LinkStatus
from robot_node.settings.access import BUILT_IN_ROLES

T = TypeVar("T")

HARMLESS = frozenset({*BUILT_IN_ROLES["viewer"].allowed_tools, "stop_all", "stop_speaking"})
"""Tools that many robots may be asked for without a confirmation: they change nothing, or stop what moves."""
STATUS = "robot://status"
_MAX_STATUS_VALUES = 20_000
_PROGRESS_S = 2.0


class Outcome(StrEnum):
    """What became of a request to a robot."""

    OK = "ok"
    FAILED = "failed"
    """The tool returned an error."""
    ERROR = "error"
    """No result: the robot refused, or its answer is malformed."""
    TIMEOUT = "timeout"
    OFFLINE = "offline"
    INTERRUPTED = "interrupted"
    """By Ctrl-C, before the request or during it."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What became of a request to a robot.

    Attributes:
        robot: Which robot.
        outcome: What became of it.
        result: What it returned; None where there is no result.
        error: Why there is no result; else empty.
        seconds: How long it took.
    """

    robot: OnlineServer
    outcome: Outcome
    result: T | None = None
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of requests to many robots.

    Attributes:
        parallel: Most sessions at a time.
        timeout_s: How long a robot may take, from opening the session to the result, in seconds.
    """

    parallel: int = 16
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Selection:
    """Robots that were selected.

    Attributes:
        robots: Those that match, sorted by name and id.
        values: For each, the values of the fields in the conditions.
        missing: Names that were asked for, and that no robot online has.
        unknown: Robots that could not be asked for their status.
    """

    robots: tuple[OnlineServer, ...]
    values: Mapping[OnlineServer, Mapping[str, Any]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unknown: tuple[Answer[Any], ...] = ()


async def select(
    broker: Broker,
    names: Sequence[str],
    conditions: Sequence[Condition],
    *,
    limits: Limits,
    log: Callable[[str], None],
    client_id: str | None = None,
) -> Selection:
    """Return the robots that are online, have one of the names, and fulfil all conditions.

    Robots are asked for their status only where their presence does not decide.

    Args:
        broker: The robots' broker.
        names: Patterns in shell style for server ids or server names; none: all robots.
        conditions: All must hold.
        limits: For asking the robots.
        log: Called with lines on the progress.
        client_id: MQTT client id for asking; random by default.

    Raises:
        BrokerError: The broker cannot be reached.
    """
    online = await remote.online(broker)
    named = tuple(robot for robot in online if name_matches(names, robot))
    missing = missing_names(names, named)

    def holds(robot: OnlineServer, status: Mapping[str, Any] | None) -> bool:
        decided = [each for each in conditions if status is not None or is_known(each.field, robot)]
        return all(each.holds(value_of(each.field, robot, status)) for each in decided)

    candidates = [robot for robot in named if holds(robot, None)]
    to_ask = [each for each in candidates if not all(is_known(condition.field, each) for condition in conditions)]
    answers: dict[OnlineServer, Answer[Mapping[str, Any]]] = {}
    if to_ask:

        def take(answer: Answer[Mapping[str, Any]]) -> None:
            answers[answer.robot] = answer

        await ask_each(broker, to_ask, STATUS, _status, take, limits=limits, log=log, client_id=client_id)
    statuses = {robot: answer.result for robot, answer in answers.items() if answer.result is not None}
    matching = [
        robot for robot in candidates if robot not in answers or (robot in statuses and holds(robot, statuses[robot]))
    ]
    values = {
        robot: {each.field: value_of(each.field, robot, statuses.get(robot)) for each in conditions}
        for robot in matching
    }
    unknown = tuple(answer for robot, answer in answers.items() if robot not in statuses)
    return Selection(tuple(matching), values, missing, unknown)


async def call_each(
    broker: Broker,
    robots: Sequence[OnlineServer],
    tool: str,
    arguments: dict[str, Any],
    on_answer: Callable[[Answer[CallToolResult]], None],
    *,
    limits: Limits,
    log: Callable[[str], None],
    client_id: str | None = None,
) -> None:
    """Call a tool of each robot, as :func:`robot_node.apps.remote.call` does of one; a robot's questions get no answer.

    Args:
        broker: The robots' broker.
        robots: Which.
        tool: The tool's name.
        arguments: The tool's arguments.
        on_answer: Called once for each robot, as soon as it is done.
        limits: How many at a time, and how long each.
        log: Called with lines on the progress.
        client_id: MQTT client id; random by default.

    Raises:
        BrokerError: The broker cannot be reached.
    """

    async def call(client: Client, on_stay: Callable[[float], None]) -> CallToolResult:
        return await remote.call_and_stay(client, tool, arguments, on_stay)

    await ask_each(broker, robots, tool, call, on_answer, limits=limits, log=log, client_id=client_id)


async def ask_each(
    broker: Broker,
    robots: Sequence[OnlineServer],
    what: str,
    ask: Callable[[Client, Callable[[float], None]], Awaitable[T]],
    on_answer: Callable[[Answer[T]], None],
    *,
    limits: Limits,
    log: Callable[[str], None],
    client_id: str | None,
) -> None:
    """Open a session with each robot, some at a time, and make a request in it.

    Args:
        broker: The robots' broker.
        robots: Which.
        what: The name of the request, for errors and progress.
        ask: Makes it; calls its second argument when it takes that many seconds longer than the limit permits.
        on_answer: Called once for each robot, as soon as it is done.
        limits: How many at a time, and how long each.
        log: Called with lines on the progress.
        client_id: MQTT client id; random by default.

    Raises:
        BrokerError: The broker cannot be reached.
        Exception: What ``on_answer`` or ``log`` raises.
    """
    done, waiting = 0, iter(robots)

    async def work(followed: Directory) -> None:
        nonlocal done
        for robot in waiting:  # each is taken by one worker
            answer = await _ask_one(followed, robot, what, ask, limits.timeout_s)
            done += 1
            on_answer(answer)

    async def progress() -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            log(f"{what}: {done} of {len(robots)} robots.")

    try:
        async with _followed(broker, robots, client_id) as followed, asyncio.TaskGroup() as group:
            ticker = group.create_task(progress(), name="fleet progress")
            async with asyncio.TaskGroup() as workers:
                for number in range(min(limits.parallel, len(robots))):
                    workers.create_task(work(followed), name=f"fleet {number}")
            ticker.cancel()
    except ExceptionGroup as errors:  # of on_answer or log, e.g. where their output has been closed
        raise first_error(errors) from errors


async def _ask_one(
    followed: Directory,
    robot: OnlineServer,
    what: str,
    ask: Callable[[Client, Callable[[float], None]], Awaitable[T]],
    timeout_s: float,
) -> Answer[T]:
    began = time.monotonic()

    def answer(outcome: Outcome, result: T | None = None, error: str = "") -> Answer[T]:
        return Answer(robot, outcome, result, error, time.monotonic() - began)

    transport = followed.transport(robot, time_limits=TimeLimits(default_s=timeout_s, by_method={}))
    try:
        async with asyncio.timeout(timeout_s) as limit:

            def on_stay(seconds: float) -> None:
                limit.reschedule(asyncio.get_running_loop().time() + seconds + timeout_s)

            async with remote.session_over(transport, robot, what, limit_s=timeout_s) as client:
                result = await ask(client, on_stay)
    except TimeoutError:
        return answer(Outcome.TIMEOUT, error=f"No answer within {timeout_s:g} s.")
    except RobotNodeError as error:
        if followed.connected and robot.server_id not in {each.server_id for each in followed.servers}:
            return answer(Outcome.OFFLINE, error="It went offline.")
        return answer(Outcome.ERROR, error=str(error))
    failed = isinstance(result, CallToolResult) and result.is_error
    return answer(Outcome.FAILED if failed else Outcome.OK, result)


@asynccontextmanager
async def _followed(broker: Broker, robots: Sequence[OnlineServer], client_id: str | None) -> AsyncIterator[Directory]:
    """A connection over which these robots have been seen; those that are not seen in time are offline."""
    problem = f"{broker} cannot be reached."

    def report(status: LinkStatus) -> None:
        nonlocal problem
        problem = status.problem or problem

    expected = {(robot.server_id, robot.server_name) for robot in robots}
    async with directory(broker, client_id=client_id, on_status=report) as followed:
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(broker.connect_timeout_s + broker.presence_wait_s),
                aclosing(followed.changes()) as changes,
            ):
                async for now in changes:
                    if expected <= {(robot.server_id, robot.server_name) for robot in now}:
                        break
        if not followed.connected:
            raise BrokerError(problem)
        yield followed


async def _status(client: Client, on_stay: Callable[[float], None]) -> Mapping[str, Any]:
    del on_stay
    contents = (await client.read_resource(STATUS)).contents
    text = contents[0].text.encode() if contents and isinstance(contents[0], TextResourceContents) else b""
    try:
        check_json(text, max_values=_MAX_STATUS_VALUES)
        status = pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        raise RemoteError(f"{STATUS} is no JSON object.")
    return status


def offline(name: str) -> Answer[Any]:
    """Return the answer of a robot of that id or name, of which the broker knows nothing."""
    robot = OnlineServer("", name) if "/" in name else OnlineServer(name, "")
    return Answer(robot, Outcome.OFFLINE, error=f"No robot {shown(name)} is online.")
