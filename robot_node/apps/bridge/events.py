"""The bridge's ``get_events`` and ``wait_for_event``: each asks all robots at once for what happened.

They stand for the robots' tools of the same name, which agents don't see: an agent can wait for one call only.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from robot_node.apps.bridge.cursor import MAX_CHARACTERS, Cursor, is_usable
from robot_node.apps.bridge.naming import RobotNames
from robot_node.apps.bridge.robots import Robot, Robots
from robot_node.apps.bridge.session import Params
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.long_waits import DEFAULT_WAIT_S, LONGEST_WAIT_S, PROGRESS_EVERY_S
from robot_node.core.text import one_line
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.topics import ServerName

GET, WAIT = "get_events", "wait_for_event"
TOOLS = frozenset({GET, WAIT})
_ARGUMENTS = {GET: {"after", "kinds", "limit"}, WAIT: {"after", "kinds", "timeout_s"}}
_LIMIT, _MOST = 20, 200
_MAX_KINDS = 20
_MAX_KIND, _MAX_TEXT, _MAX_REASON = 40, 500, 200
_MAX_STARTS = 256
_ANSWER_S = 10.0
_LOOK_S = 0.5  # while an agent waits: for robots that come online
_RETRY_S, _LONGEST_RETRY_S = 0.5, 8.0
_MEMBERS = {"time": _MAX_KIND, "kind": _MAX_KIND, "device": _MAX_KIND * 2, "text": _MAX_TEXT, "by": _MAX_KIND * 2}

OnProgress = Callable[[float, float], Awaitable[None]]
_Kind = Annotated[str, Field(max_length=_MAX_KIND)]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")
    after: str = Field("", max_length=MAX_CHARACTERS)
    kinds: list[_Kind] = Field([], max_length=_MAX_KINDS)
    robot: str = Field("", max_length=100)


class _Get(_Arguments):
    limit: int = Field(_LIMIT, ge=1, le=_MOST)


class _Wait(_Arguments):
    timeout_s: float = Field(DEFAULT_WAIT_S, ge=0, le=LONGEST_WAIT_S, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class _Page:
    """What one robot has answered: checked and bounded."""

    events: tuple[dict[str, str], ...] = ()
    cursor: str = ""
    missed: str = ""
    problem: str = ""


class _Bridge:
    """Who calls the robots: nobody whom a robot may ask. A :class:`robot_node.apps.bridge.session.Caller`."""

    agent = ""
    progress_token: str | int | None = "bridge"  # noqa: S105  # with progress the call may last as long as it likes

    async def notify(self, method: str, params: Params) -> None:
        """Drop it: agents get the bridge's own progress."""

    async def ask(self, method: str, params: Params) -> Params:
        """Refuse."""
        raise MCPError(INVALID_REQUEST, f"The bridge cannot answer {method}.", sorted(params))


class RobotEvents:
    """Reads the events of all robots that have the two tools.

    Args:
        robots: The robots of now.
        names: Their short names.
        progress_every_s: How often a wait tells its agent that it goes on.
    """

    def __init__(
        self, robots: Callable[[], Robots], names: RobotNames, *, progress_every_s: float = PROGRESS_EVERY_S
    ) -> None:
        self._progress_every_s = progress_every_s
        self._robots = robots
        self._names = names
        # Where events of a robot begin for agents that have never heard of it: when the bridge saw it first.
        self._starts: OrderedDict[ServerName, str] = OrderedDict()

    def tools(self) -> list[Params]:
        """The two tools as agents see them; empty while no robot has events."""
        names = [self._names.prefix(robot.name) for robot in self._sources("")]
        return [_tool(GET, names), _tool(WAIT, names)] if names else []

    async def on_listed(self, name: ServerName) -> None:
        """Remember where the events of a robot begin for agents, when the bridge sees it for the first time."""
        if name in self._starts:
            return
        with contextlib.suppress(RemoteError):
            robot = self._robots().get(name)
            if has_events(robot.tools):
                page = await self._ask(robot, GET, {"limit": 1})
                self._start(name, page.cursor)

    async def call(self, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress) -> Params:
        """Return the result of one of the two tools.

        Raises:
            RemoteError: No robot has the name that is given, or the cursor is none.
        """
        try:
            if tool == GET:
                get = _Get.model_validate(arguments)
                result = await self.get(get.after, get.kinds, get.limit, robot=get.robot)
            else:
                wait = _Wait.model_validate(arguments)
                result = await self.wait(wait.after, wait.kinds, wait.timeout_s, robot=wait.robot, tell=on_progress)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            return _tool_result({}, error=one_line(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", _MAX_REASON))
        except RemoteError as error:
            return _tool_result({}, error=str(error))
        return _tool_result(result)

    async def get(self, after: str, kinds: Sequence[str], limit: int, *, robot: str = "") -> Params:
        """Return what happened since a cursor, or lately: as ``get_events``.

        Raises:
            RemoteError: No robot has this name, or the cursor is none.
        """
        cursor, sources = Cursor.parse(after), self._sources(robot)
        if robot and not after:  # the others begin now, too, when the agent goes on with all
            cursor = await self._now(cursor)
        # Each gets its share: what is left is in the next page.
        share = max(1, limit // max(1, len(sources)))

        async def read(source: Robot) -> _Page:
            start = (cursor.of(source.name) or self._starts.get(source.name, "")) if after else ""
            return await self._ask(source, GET, {"after": start, "kinds": kinds, "limit": share})

        pages = await asyncio.gather(*map(read, sources))
        return self._result(cursor, {source.name: page for source, page in zip(sources, pages, strict=True)})

    async def wait(
        self,
        after: str,
        kinds: Sequence[str],
        timeout_s: float,
        *,
        robot: str = "",
        tell: OnProgress | None = None,
    ) -> Params:
        """Return what happens next at any robot: as ``wait_for_event``. Robots that come online meanwhile count, too.

        Args:
            after: The cursor; empty: from now on.
            kinds: Of which kinds; empty: of all.
            timeout_s: How long, in seconds.
            robot: Short name of the only robot that counts; empty: all.
            tell: Called with the seconds so far, and in all, from time to time.

        Raises:
            RemoteError: No robot has this name, or the cursor is none.
        """
        cursor, loop = Cursor.parse(after), asyncio.get_running_loop()
        began = told = loop.time()
        self._sources(robot)
        if not after:
            cursor = await self._now(cursor)
        waits: dict[ServerName, asyncio.Task[_Page]] = {}
        try:
            while True:
                for name in (source.name for source in self._sources(robot)):
                    if name not in waits:
                        cursor = cursor.moved({name: cursor.of(name) or self._starts.get(name, "")})
                        waits[name] = asyncio.create_task(
                            self._wait_for(name, cursor.of(name), kinds, began + timeout_s), name="bridge events"
                        )
                now = loop.time()
                left_s = began + timeout_s - now
                pages = {name: task.result() for name, task in waits.items() if task.done()}
                if any(page.events or page.missed for page in pages.values()):
                    return self._result(cursor, pages)
                if left_s <= 0 and len(pages) == len(waits):
                    return self._result(cursor, pages)
                if now - told >= self._progress_every_s and tell is not None:
                    told = now
                    await tell(now - began, timeout_s)
                await _first_of([task for task in waits.values() if not task.done()], min(_LOOK_S, max(left_s, 0.05)))
        finally:
            await cancel_and_wait(*waits.values())

    async def _wait_for(self, name: ServerName, start: str, kinds: Sequence[str], deadline: float) -> _Page:
        """Wait for one robot, which may go offline and come back meanwhile."""
        loop, delay_s = asyncio.get_running_loop(), _RETRY_S
        while True:
            page = _Page(problem="offline")
            with contextlib.suppress(RemoteError):
                robot = self._robots().get(name)
                if start:
                    arguments = {"after": start, "kinds": kinds, "timeout_s": max(0.0, deadline - loop.time())}
                    page = await self._ask(robot, WAIT, arguments, within_s=None)
                else:  # there was no session when the wait began
                    page = await self._ask(robot, GET, {"limit": 1})
                    if start := page.cursor:
                        continue
                delay_s *= 2  # a robot that refuses is not asked twice a second
            left_s = deadline - loop.time()
            if not page.problem or left_s <= 0:
                return page
            await asyncio.sleep(min(delay_s, _LONGEST_RETRY_S, left_s))

    async def _now(self, cursor: Cursor) -> Cursor:
        """Return a cursor after which comes what happens from now on, at each robot that answers."""
        sources = self._sources("")
        pages = await asyncio.gather(*(self._ask(source, GET, {"limit": 1}) for source in sources))
        return cursor.moved({source.name: page.cursor for source, page in zip(sources, pages, strict=True)})

    async def _ask(self, robot: Robot, tool: str, arguments: Params, *, within_s: float | None = _ANSWER_S) -> _Page:
        try:
            async with asyncio.timeout(within_s):
                session = await robot.session()
                answer = await session.request("tools/call", {"name": tool, "arguments": arguments}, _Bridge())
        except (RemoteError, MCPError) as error:
            return _Page(problem=one_line(str(error), _MAX_REASON))
        except TimeoutError:
            return _Page(problem=f"no answer within {within_s} s")
        page = _page_of(answer)
        if page.cursor and robot.name not in self._starts:
            self._start(robot.name, page.cursor)
        return page

    def _start(self, name: ServerName, cursor: str) -> None:
        if cursor:
            self._starts[name] = cursor
            if len(self._starts) > _MAX_STARTS:
                self._starts.popitem(last=False)

    def _sources(self, wanted: str) -> list[Robot]:
        """The robots that are online and have events, or the one with that short name.

        Raises:
            RemoteError: There is none with it.
        """
        self._names.show(robot.name for robot in self._robots().listed)
        found = [robot for robot in self._robots().listed if has_events(robot.tools)]
        if not wanted:
            return found
        name = self._names.robot(wanted, (robot.name for robot in found))
        if name is None:
            names = ", ".join(self._names.prefix(robot.name) for robot in found) or "none"
            raise RemoteError(
                f"No robot is called {one_line(wanted, _MAX_KIND)}.", remedy=f"Robots with events: {names}."
            )
        return [robot for robot in found if robot.name == name]

    def _result(self, cursor: Cursor, pages: Mapping[ServerName, _Page]) -> Params:
        names = {name: self._names.prefix(name) for name in pages}
        # A robot's own order stays, whatever its clock says.
        events = heapq.merge(
            *([{"robot": names[name]} | event for event in page.events] for name, page in pages.items()),
            key=lambda event: event.get("time", ""),
        )
        moved = cursor.moved({name: page.cursor for name, page in pages.items()})
        result: Params = {"events": list(events), "cursor": str(moved)}
        if missed := [f"{names[name]}: {page.missed}" for name, page in pages.items() if page.missed]:
            result["missed"] = " ".join(missed)
        if problems := [f"{names[name]}: {page.problem}" for name, page in pages.items() if page.problem]:
            result["not_read"] = problems
        return result


def has_events(tools: Sequence[Params]) -> bool:
    """Whether a robot has both tools, as robot-node's have them."""
    properties = {tool["name"]: (tool.get("inputSchema") or {}).get("properties") for tool in tools}
    return all(
        isinstance(found := properties.get(name), dict) and needed <= found.keys()
        for name, needed in _ARGUMENTS.items()
    )


async def _first_of(tasks: Sequence[asyncio.Task[_Page]], limit_s: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(limit_s)


def _page_of(answer: Params) -> _Page:
    """Check and bound what a robot has answered."""
    if answer.get("isError"):
        return _Page(problem=one_line(_text_of(answer), _MAX_REASON) or "it refused")
    page = answer.get("structuredContent")
    if not isinstance(page, dict):
        with contextlib.suppress(ValueError, RecursionError):
            page = json.loads(_text_of(answer))
    events, cursor = (page.get("events"), page.get("cursor")) if isinstance(page, dict) else (None, None)
    if (
        not isinstance(page, dict)
        or not isinstance(events, list)
        or not isinstance(cursor, str)
        or not is_usable(cursor)
    ):
        return _Page(problem="its answer is not usable")
    missed = page.get("missed")
    return _Page(
        events=tuple(_event_of(event) for event in events[:_MOST] if isinstance(event, dict)),
        cursor=cursor,
        missed=one_line(missed, _MAX_REASON) if isinstance(missed, str) else "",
    )


def _event_of(event: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: event.get(name) for name in _MEMBERS}
    return {name: one_line(text, _MEMBERS[name]) for name, text in texts.items() if isinstance(text, str) and text}


def _text_of(answer: Params) -> str:
    content = answer.get("content")
    first = content[0] if isinstance(content, list) and content else None
    text = first.get("text") if isinstance(first, dict) else None
    return text if isinstance(text, str) else ""


def _tool_result(result: Params, *, error: str = "") -> Params:
    if error:
        return {"content": [{"type": "text", "text": error}], "isError": True}
    text = json.dumps(result, ensure_ascii=False)
    return {"content": [{"type": "text", "text": text}], "structuredContent": result}


def _tool(name: str, robots: Sequence[str]) -> Params:
    properties: Params = {"robot": {"type": "string", "enum": [*robots]}} if len(robots) > 1 else {}
    properties |= {
        "after": {"type": "string", "description": "cursor of your last result"},
        "kinds": {
            "type": "array",
            "items": {"type": "string"},
            "description": "such as input, heard, chat, viewers, camera, fault; none: all",
        },
    }
    if name == GET:
        properties["limit"] = {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _LIMIT}
        what = (
            "Return what happened: buttons, sensors, words heard or typed, viewers, faults; without after the latest."
        )
    else:
        properties["timeout_s"] = {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S, "default": DEFAULT_WAIT_S}
        what = "Wait until something happens that you did not cause; no events: time is up. Give after to miss nothing."
    return {
        "name": name,
        "title": "Get events" if name == GET else "Wait for an event",
        "description": f"{what} Of all robots, unless you name one." if len(robots) > 1 else what,
        "inputSchema": {"type": "object", "properties": properties, "additionalProperties": False},
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }
