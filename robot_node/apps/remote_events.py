"""The events of a robot for the command ``events``: the latest, and those that follow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mcp_types import TextContent

from robot_node.apps.remote import request, session
from robot_node.core.text import one_line, shown
from robot_node.errors import RemoteError, RobotNodeError
from robot_node.mqtt import Broker

Page = Mapping[str, Any]

_GET, _WAIT = "get_events", "wait_for_event"
_WAIT_S = 50.0
_RETRY_S = 2.0


async def latest(
    broker: Broker, robot: str, *, kinds: Sequence[str] = (), limit: int = 20, client_id: str | None = None
) -> Page:
    """Return the latest events of a robot: ``events``, each with ``time``, ``kind`` and ``text``, and ``cursor``.

    Raises:
        RemoteError: The robot is not online, refused, or did not answer.
        BrokerError: The broker cannot be reached.
    """
    async with session(broker, robot, _GET, client_id=client_id) as client:
        return _page(await request(client, _GET, {"kinds": [*kinds], "limit": limit}), robot)


async def follow(
    broker: Broker,
    robot: str,
    *,
    show: Callable[[Page], None],
    log: Callable[[str], None],
    kinds: Sequence[str] = (),
    limit: int = 20,
    client_id: str | None = None,
) -> None:
    """Show the latest events, and those that follow, until cancelled; also after restarts of robot and broker.

    Args:
        broker: The robot's broker.
        robot: Its server id or server name.
        show: Called with each page: ``events``, and perhaps ``missed``.
        log: Called with a line when the robot is lost.
        kinds: Of which kinds; empty: of all.
        limit: How many of the latest events.
        client_id: MQTT client id; random by default.

    Raises:
        RobotNodeError: The first attempt failed.
    """
    page = await latest(broker, robot, kinds=kinds, limit=limit, client_id=client_id)
    show(page)
    while True:
        try:
            async with session(broker, robot, _WAIT, client_id=client_id) as client:
                while True:
                    arguments = {"after": page["cursor"], "kinds": [*kinds], "timeout_s": _WAIT_S}
                    page = _page(await request(client, _WAIT, arguments), robot)
                    show(page)
        except RobotNodeError as error:
            log(f"{error} Retrying.")
            await asyncio.sleep(_RETRY_S)


def _page(result: Any, robot: str) -> Page:
    text = next((block.text for block in result.content if isinstance(block, TextContent)), "")
    if result.is_error:
        raise RemoteError(f"{shown(robot)} gives no events: {one_line(text)}")
    page = result.structured_content
    if page is None:
        try:
            page = json.loads(text)
        except (ValueError, RecursionError):
            page = None
    events = page.get("events") if isinstance(page, dict) else None
    if not isinstance(page, dict) or not isinstance(events, list) or not isinstance(page.get("cursor"), str):
        raise RemoteError(f"{shown(robot)} gives no events that can be read.", remedy="Update robot-node there.")
    return {**page, "events": [event for event in events if isinstance(event, dict)]}


def as_lines(page: Page) -> list[str]:
    """Format a page for people: a line for each event, in local time."""
    lines = [f"({one_line(str(page['missed']))})"] if page.get("missed") else []
    for event in page["events"]:
        kind, device, by = (one_line(str(event.get(name) or ""), 80) for name in ("kind", "device", "by"))
        text = one_line(" ".join(str(event.get("text") or "").split()))
        lines.append("  ".join(filter(None, (_local(event), kind, device, text, f"(by {by})" if by else ""))))
    return lines


def _local(event: Mapping[str, Any]) -> str:
    try:
        return f"{datetime.fromisoformat(str(event.get('time'))).astimezone():%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "--:--:--"
