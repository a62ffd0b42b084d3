"""A stand-in for a server of OpenAI Realtime: it checks each message against the published schema."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.robot.realtime.schema import check_client_event, check_server_event

KEY = "a-key-of-the-tests"
Answer = str | Sequence[tuple[str, dict[str, Any]]] | None
"""What the model answers: a text, calls of tools by name and arguments, or nothing."""


@dataclass
class StandIn:
    """The server, and what came.

    Attributes:
        answers: What the model answers, in order.
        tokens: That each answer costs.
        received: All messages of clients.
        wrong: What in them does not follow the schema.
        sessions: Number of connections so far.
        open: Number of connections now.
    """

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    tokens: int = 100
    received: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    sessions: int = 0
    open: int = 0
    connection: ServerConnection | None = None

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The items of the conversation of a kind."""
        created = (each["item"] for each in self.received if each["type"] == "conversation.item.create")
        return [item for item in created if item["type"] == kind]

    def count(self, kind: str) -> int:
        """How many messages of a type came."""
        return sum(each["type"] == kind for each in self.received)

    async def _serve(self, connection: ServerConnection) -> None:
        self.sessions, self.open, self.connection = self.sessions + 1, self.open + 1, connection
        numbers, active = itertools.count(), ""
        try:
            async for text in connection:
                message = json.loads(text)
                self.received.append(message)
                try:
                    check_client_event(message)
                except (AssertionError, ValueError) as error:
                    self.wrong.append(str(error))
                if message["type"] == "response.create":
                    assert not active, "there is an answer already"
                    active = f"resp_{next(numbers)}"
                    if not await self._answer(connection, active):
                        continue
                    active = ""
                elif message["type"] == "response.cancel" and active:
                    await self._send(connection, _done(active, "cancelled", self.tokens))
                    active = ""
        finally:
            self.open -= 1

    async def _answer(self, connection: ServerConnection, response: str) -> bool:
        """Answer; False when the answer goes on until it is cancelled."""
        match self.answers.pop(0) if self.answers else None:
            case None:
                await self._send(connection, _delta(response, "Once upon a time there was a robot. It "))
                return False
            case str(text):
                for part in (text[: len(text) // 2], text[len(text) // 2 :]):
                    await self._send(connection, _delta(response, part))
            case calls:
                for number, (name, arguments) in enumerate(calls):
                    item = {
                        "type": "function_call",
                        "call_id": f"{response}_{number}",
                        "name": name,
                        "arguments": json.dumps(arguments),
                    }
                    event = {"type": "response.output_item.done", "response_id": response, "output_index": number}
                    await self._send(connection, {**event, "item": item})
        await self._send(connection, _done(response, "completed", self.tokens))
        return True

    @staticmethod
    async def _send(connection: ServerConnection, event: dict[str, Any]) -> None:
        event = {"event_id": "event", **event}
        check_server_event(event)
        await connection.send(json.dumps(event))


def _delta(response: str, text: str) -> dict[str, Any]:
    place = {"response_id": response, "item_id": "item", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **place, "delta": text}


def _done(response: str, status: str, tokens: int) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": response, "status": status, "usage": {"total_tokens": tokens}}}


@contextlib.asynccontextmanager
async def stand_in(*answers: Answer) -> AsyncIterator[StandIn]:
    """Run a server for the key of the tests."""
    server = StandIn(answers=[*answers])

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Wrong key.\n")
        return None

    async with serve(server._serve, "127.0.0.1", 0, process_request=admit) as listening:  # its own
        (socket, *_) = listening.sockets
        server.url = f"ws://127.0.0.1:{socket.getsockname()[1]}/v1/realtime?model=stand-in"
        yield server
        await asyncio.sleep(0)
    assert server.wrong == []
