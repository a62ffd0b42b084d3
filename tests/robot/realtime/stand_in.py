"""A stand-in for a server of OpenAI Realtime: it checks each message against the published schema."""

from __future__ import annotations

import asyncio
import base64
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
BYTES_PER_S = 2 * 24_000
PCM = {"type": "audio/pcm", "rate": 24_000}


@dataclass(frozen=True)
class Spoken:
    """An answer by sound.

    Attributes:
        text: What is said.
        samples: The sound: 16 bit, 24 kHz, mono.
        goes_on: It is not complete until it is cancelled.
    """

    text: str
    samples: bytes
    goes_on: bool = False


Answer = str | Spoken | Sequence[tuple[str, dict[str, Any]]] | None
"""What the model answers: a text, sound, calls of tools by name and arguments, or nothing."""


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
        heard: The sound of what people said, as it was committed: 16 bit, 24 kHz, mono.
        buffer: The sound that is not committed yet.
        transcripts: What the model for transcription makes of what people say, in order.
        sent_ms: Of each item, how much sound was sent.
        truncated: Of each item that was truncated: where.
    """

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    tokens: int = 100
    received: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    sessions: int = 0
    open: int = 0
    connection: ServerConnection | None = None
    heard: list[bytes] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)
    transcripts: list[str] = field(default_factory=list)
    sent_ms: dict[str, float] = field(default_factory=dict)
    truncated: dict[str, int] = field(default_factory=dict)

    @property
    def session(self) -> dict[str, Any]:
        """How the newest session is to be held."""
        session: dict[str, Any] = [each for each in self.received if each["type"] == "session.update"][-1]["session"]
        return session

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
                await self._hear(connection, message)
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

    async def _hear(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        """Take the sound of people, and what was heard of an answer."""
        match message["type"]:
            case "input_audio_buffer.append":
                given = self.session["audio"]["input"]
                assert (given["format"], given["turn_detection"]) == (PCM, None)
                self.buffer += base64.b64decode(message["audio"], validate=True)
            case "input_audio_buffer.clear":
                self.buffer.clear()
            case "input_audio_buffer.commit":
                assert len(self.buffer) >= BYTES_PER_S // 10, "the real server wants 0.1 s"
                self.heard.append(bytes(self.buffer))
                self.buffer.clear()
                item = f"said_{len(self.heard)}"
                await self._send(connection, {"type": "input_audio_buffer.committed", "item_id": item})
                if self.transcripts:
                    event = {"type": "conversation.item.input_audio_transcription.completed", "item_id": item}
                    usage = {"type": "duration", "seconds": 1.0}
                    said = {"content_index": 0, "transcript": self.transcripts.pop(0), "usage": usage}
                    await self._send(connection, {**event, **said})
            case "conversation.item.truncate":
                item, end = message["item_id"], message["audio_end_ms"]
                assert 0 <= end <= self.sent_ms[item], "the real server refuses to truncate what it has not sent"
                self.truncated[item] = end

    async def _speak(self, connection: ServerConnection, response: str, spoken: Spoken) -> None:
        """Send sound, much faster than it is heard, and its text, a word at a time."""
        item = f"item_of_{response}"
        place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        words = [word + " " for word in spoken.text.split()]
        size = BYTES_PER_S // 5
        for start in range(0, len(spoken.samples), size):
            piece = spoken.samples[start : start + size]
            self.sent_ms[item] = self.sent_ms.get(item, 0.0) + 1000 * len(piece) / BYTES_PER_S
            delta = base64.b64encode(piece).decode()
            until = round(len(words) * min(1.0, (start + size) / len(spoken.samples)))
            for word in words[round(len(words) * start / len(spoken.samples)) : until]:
                await self._send(connection, {"type": "response.output_audio_transcript.delta", **place, "delta": word})
            await self._send(connection, {"type": "response.output_audio.delta", **place, "delta": delta})
        if not spoken.goes_on:
            await self._send(connection, {"type": "response.output_audio.done", **place})
            done = {"type": "response.output_audio_transcript.done", **place, "transcript": spoken.text}
            await self._send(connection, done)

    async def _answer(self, connection: ServerConnection, response: str) -> bool:
        """Answer; False when the answer goes on until it is cancelled."""
        match self.answers.pop(0) if self.answers else None:
            case None:
                await self._send(connection, _delta(response, "Once upon a time there was a robot. It "))
                return False
            case str(text):
                for part in (text[: len(text) // 2], text[len(text) // 2 :]):
                    await self._send(connection, _delta(response, part))
            case Spoken() as spoken:
                await self._speak(connection, response, spoken)
                if spoken.goes_on:
                    return False
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
