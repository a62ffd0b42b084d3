"""Completion in the shell: robots and tools. Within about a second, or nothing; never an error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import typer

_LIMIT_S = 1.0
# What a shell would expand or execute is not offered: names are those that robots have given themselves.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@:+-]*")


def robots(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the server ids, and names, of robots that begin with what is typed."""
    from robot_node.apps import remote
    from robot_node.cli.options import broker_from_url

    async def found() -> list[str]:
        online = await remote.online(broker_from_url(ctx.params.get("broker")))
        ids = [robot.server_id for robot in online]
        return ids if any(each.startswith(incomplete) for each in ids) else [robot.server_name for robot in online]

    return _within_limit(found, incomplete)


def tools(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the robot's tools that begin with what is typed."""
    from robot_node.apps import remote
    from robot_node.cli.options import broker_from_url

    async def found() -> list[str]:
        broker = broker_from_url(ctx.params.get("broker"))
        listed = await remote.tools(broker, ctx.params["robot"], client_id=ctx.params.get("client_id"))
        return [tool["name"] for tool in listed]

    return _within_limit(found, incomplete)


def _within_limit(find: Callable[[], Coroutine[Any, Any, list[str]]], incomplete: str) -> list[str]:
    """Run it in a thread: resolving a name can block for longer, and no event loop ends before its threads."""
    logging.getLogger().addHandler(logging.NullHandler())  # else warnings go to the terminal
    found: list[str] = []

    def run() -> None:
        with contextlib.suppress(Exception):  # whatever it is: there is nothing to complete
            found.extend(asyncio.run(asyncio.wait_for(find(), _LIMIT_S)))

    thread = threading.Thread(target=run, name="completion", daemon=True)
    thread.start()
    thread.join(_LIMIT_S + 0.5)
    if thread.is_alive():
        os._exit(0)  # a normal exit would wait for the thread that resolves the name
    return [name for name in found if name.startswith(incomplete) and _SAFE.fullmatch(name)]
