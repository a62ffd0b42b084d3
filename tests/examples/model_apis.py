"""A stand-in for OpenAI's and Anthropic's APIs: checks each request, and answers as its test has written."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.examples import anthropic_schema, openai_schema

KEY = "secret-key"


@dataclass(frozen=True)
class Call:
    """A tool that the model calls."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


class Api(Protocol):
    """One of the two APIs."""

    def refuses(self, headers: dict[str, str], body: bytes) -> str:
        """Why the API would refuse a request; empty if it takes it."""

    def answer(self, says: str | Call) -> dict[str, Any]:
        """Return the API's form of what the model says or calls."""


class OpenAi:
    """Of OpenAI."""

    path = "/v1/chat/completions"

    def refuses(self, headers: dict[str, str], body: bytes) -> str:
        if headers.get("authorization") != f"Bearer {KEY}":
            return "Incorrect API key provided"
        return _complaint(openai_schema.Request.model_validate_json, body)

    def answer(self, says: str | Call) -> dict[str, Any]:
        function = {"name": says.name, "arguments": json.dumps(says.arguments)} if isinstance(says, Call) else {}
        call = {"id": _new_id("call"), "type": "function", "function": function}
        called = {"content": None, "tool_calls": [call]}
        message = {"role": "assistant", **(called if function else {"content": says}), "refusal": None}
        reason = "tool_calls" if function else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {"id": _new_id("chatcmpl"), "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


class Anthropic:
    """Of Anthropic."""

    path = "/v1/messages"

    def refuses(self, headers: dict[str, str], body: bytes) -> str:
        if headers.get("x-api-key") != KEY or headers.get("anthropic-version") != "2023-06-01":
            return "invalid x-api-key or anthropic-version"
        return _complaint(anthropic_schema.Request.model_validate_json, body)

    def answer(self, says: str | Call) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": says if isinstance(says, str) else "Let me see."}]
        if isinstance(says, Call):
            content.append({"type": "tool_use", "id": _new_id("toolu"), "name": says.name, "input": says.arguments})
        reason = "tool_use" if isinstance(says, Call) else "end_turn"
        answer = {"id": _new_id("msg"), "type": "message", "role": "assistant", "model": "m", "content": content}
        return {**answer, "stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 1}}


_numbers = itertools.count(1)


def _new_id(kind: str) -> str:
    return f"{kind}_{next(_numbers)}"


def _complaint(validate: Callable[[bytes], object], body: bytes) -> str:
    try:
        validate(body)
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
    return ""


class ModelServer:
    """Both APIs at one address.

    Attributes:
        script: What the model says next: a text, a call, or the status of a failure. Afterwards it says "Well.".
        requests: The bodies that came, also the refused ones.
        complaints: Why requests were refused.
        url: Where it listens, with ``/v1``.
    """

    def __init__(self) -> None:
        self.script: list[str | Call | int] = []
        self.requests: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self.url = ""

    def _route(self, path: str, api: Api) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            self.requests.append(json.loads(body))
            if complaint := api.refuses(dict(request.headers), body):
                self.complaints.append(complaint)
                return JSONResponse({"error": {"type": "invalid_request_error", "message": complaint}}, 400)
            says = self.script.pop(0) if self.script else "Well."
            if isinstance(says, int):
                return JSONResponse({"error": {"type": "overloaded_error", "message": "Overloaded"}}, says)
            return JSONResponse(api.answer(says))

        return Route(path, endpoint, methods=["POST"])

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve for the time of the block."""
        apis: tuple[OpenAi | Anthropic, ...] = (OpenAi(), Anthropic())
        app = Starlette(routes=[self._route(api.path, api) for api in apis])
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="off"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
            serving = asyncio.create_task(server.serve([listener]), name="model APIs")
            try:
                yield
            finally:
                server.should_exit = True
                await asyncio.wait([serving])
