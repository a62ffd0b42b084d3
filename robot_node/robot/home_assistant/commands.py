"""Commands of Home Assistant's acting entities: each is a call of a tool, under the access rules of a client."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.text import one_line, quoted, shown
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mqtt import Connection, Incoming, Subscription
from robot_node.robot.home_assistant.entities import STOP, Command, Entity

logger = logging.getLogger(__name__)

CallTool = Callable[[str, Mapping[str, Any]], Awaitable[str]]
"""Calls a tool by name with arguments; returns why it was refused or failed, empty when it was carried out."""

_MAX_BYTES = 256
_MOST_AT_ONCE = 8
"""Commands under way; some may wait for a person's confirmation."""


class Commands:
    """Carries out commands, each in a task of its own.

    Args:
        prefix: What the topics of commands begin with; an entity's key follows.
        entities: The robot's entities.
        call_tool: Calls a tool.
        client_id: As which client; named in the log.
    """

    def __init__(self, prefix: str, entities: Iterable[Entity], call_tool: CallTool, client_id: str) -> None:
        self._prefix = prefix
        self._commands = {each.key: each.command for each in entities if each.command is not None}
        self._call_tool = call_tool
        self._client_id = client_id
        self._under_way: set[asyncio.Task[None]] = set()
        self._notices = Notices(logger.warning, time.monotonic, burst=1, interval_s=30.0)

    async def obey(self, connection: Connection) -> None:
        """Carry out what arrives on a connection, until cancelled.

        Args:
            connection: While it lasts. Other messages go on to whom they went before.

        Raises:
            BrokerError: the connection is lost, or the broker refuses the subscription.
        """
        others = connection.on_message

        def receive(incoming: Incoming) -> None:
            if not incoming.topic.startswith(self._prefix):
                others(incoming)
            elif (command := self._read(incoming)) is not None:
                task = asyncio.create_task(command, name=incoming.topic)
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

        connection.on_message = receive
        try:
            await connection.subscribe(Subscription(f"{self._prefix}+", qos=1))
            await asyncio.Event().wait()
        finally:
            connection.on_message = others
            await cancel_and_wait(*self._under_way)

    def _read(self, incoming: Incoming) -> Coroutine[Any, Any, None] | None:
        """Return what carries a command out; None for a message that is ignored, which is logged."""
        key = incoming.topic.removeprefix(self._prefix)
        command = self._commands.get(key)
        if command is None:
            self._notices.note("unknown", f"Ignored a command of Home Assistant for {shown(key)!r}: there is none.")
        elif incoming.retain:
            # The broker would repeat it at each connection.
            self._notices.note(f"{key} retained", f"Ignored a retained command of Home Assistant for {key}.")
        elif isinstance(arguments := _arguments(command, incoming.payload), str):
            self._notices.note(f"{key} odd", f"Refused a command of Home Assistant for {key}: {arguments}.")
        elif self._is_too_many(key):
            self._notices.note("too many", f"Ignored a command of Home Assistant for {key}: too many are under way.")
        else:
            return self._carry_out(key, command, arguments)
        return None

    def _is_too_many(self, key: str) -> bool:
        """Return whether a command is one too many. Stopping waits for no other command."""
        if key == STOP:
            return any(task.get_name() == self._prefix + STOP for task in self._under_way)
        return len(self._under_way) >= _MOST_AT_ONCE

    async def _carry_out(self, key: str, command: Command, arguments: Mapping[str, Any]) -> None:
        try:
            refusal = await self._call_tool(command.tool, arguments)
        except Exception:  # one command's failure is no reason to obey no other
            logger.exception("A command of Home Assistant for %s failed", key)
            return
        if refusal:
            text = f"{self._client_id!r} may not, or cannot, set {key}: {one_line(refusal)}"
            self._notices.note(f"{key} refused", f"A command of Home Assistant was not carried out. {text}")


def _arguments(command: Command, payload: bytes) -> dict[str, Any] | str:
    """Return a tool's arguments for a payload; a text says what is wrong with it."""
    if len(payload) > _MAX_BYTES:
        return f"it has {len(payload)} bytes"
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return "it is no text"
    try:
        return command.arguments(text)
    except ValueError as error:
        return f"{quoted(text)}: {error}"
