"""The tools by which an agent notices what happens: read events, and wait for one.

Most agents' programs don't show changes of resources to their models: what is no tool does not exist for these.
"""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from pydantic import Field

from robot_node.core.changes import Changes
from robot_node.core.events import Event, EventLog, EventPage
from robot_node.core.long_waits import DEFAULT_WAIT_S, LONGEST_WAIT_S, PROGRESS_EVERY_S, LongWait
from robot_node.core.state import acting_for
from robot_node.tools.common import READS

_DEFAULT_LIMIT = 20
_MOST = 200
_MOST_KINDS = 20

_After = Annotated[str, Field(max_length=64, description="cursor of your last result")]
_Kinds = Annotated[list[str], Field(max_length=_MOST_KINDS, description="input, heard, chat, viewers, fault, ...")]


def offer_events(server: MCPServer, events: EventLog, *, progress_every_s: float = PROGRESS_EVERY_S) -> None:
    """Let agents read events and wait for them.

    Args:
        server: Gets the tools.
        events: What has happened.
        progress_every_s: How often a wait tells its client that it goes on.
    """

    @server.tool(title="Get events", annotations=READS)
    async def get_events(
        after: _After = "",
        kinds: _Kinds = [],  # noqa: B006  # the SDK reads the default, and nobody changes it
        limit: Annotated[int, Field(ge=1, le=_MOST)] = _DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        """Return what happened, the latest without after: buttons, words heard or typed, faults."""
        return _result(events.read(after, kinds=kinds, limit=limit))

    @server.tool(title="Wait for an event", annotations=READS)
    async def wait_for_event(
        ctx: Context[Any, Any],
        after: _After = "",
        kinds: _Kinds = [],  # noqa: B006  # the SDK reads the default, and nobody changes it
        timeout_s: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)] = DEFAULT_WAIT_S,
    ) -> dict[str, Any]:
        """Wait until something happens that you did not cause; no events: time is up. Give after to miss nothing."""
        after = after or events.cursor
        me = acting_for()
        wait = LongWait(lambda seconds: ctx.report_progress(seconds, timeout_s), every_s=progress_every_s)
        with Changes(events.listen) as changes:
            while True:
                page = events.read(after, kinds=kinds, limit=_DEFAULT_LIMIT, not_by=me)
                left_s = timeout_s - wait.seconds
                if page.events or page.missed or left_s <= 0:
                    return _result(page)
                await wait.next(changes, longest_s=left_s)


def _result(page: EventPage) -> dict[str, Any]:
    result: dict[str, Any] = {"events": [_shown(event) for event in page.events], "cursor": page.cursor}
    return result | ({"missed": page.missed} if page.missed else {})


def _shown(event: Event) -> dict[str, Any]:
    shown = {"time": event.time, "kind": event.kind, "device": event.device, "text": event.text, "by": event.by}
    return {name: value for name, value in [*shown.items(), *event.details.items()] if value}
