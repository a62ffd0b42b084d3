"""The stand-in for models' APIs refuses what the published schemas refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.examples.model_apis import KEY, Anthropic, OpenAi

TOOL = {"type": "object", "properties": {}}
PNG = "iVBORw0KGgo="
CALL = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
OPENAI: dict[str, Any] = {
    "model": "m",
    "max_completion_tokens": 5,
    "tools": [{"type": "function", "function": {"name": "look", "parameters": TOOL}}],
}
ANTHROPIC: dict[str, Any] = {"model": "m", "max_tokens": 5, "tools": [{"name": "look", "input_schema": TOOL}]}
HELLO = {"role": "user", "content": "Hello"}
ASSISTANT = {"role": "assistant", "content": None, "tool_calls": [CALL]}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {}}]}


def openai(*messages: dict[str, Any], **more: Any) -> str:
    body = json.dumps({**OPENAI, "messages": messages, **more})
    return OpenAi().refuses({"authorization": f"Bearer {KEY}"}, body.encode())


def anthropic(*messages: dict[str, Any], **more: Any) -> str:
    body = json.dumps({**ANTHROPIC, "messages": messages, **more})
    return Anthropic().refuses({"x-api-key": KEY, "anthropic-version": "2023-06-01"}, body.encode())


def picture(media_type: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": PNG}}


def result(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": content}]}


def test_valid_requests_are_taken() -> None:
    answered = {"role": "tool", "tool_call_id": "a", "content": "a cat"}
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert openai(HELLO, ASSISTANT, answered, {"role": "user", "content": [url]}) == ""
    assert anthropic(HELLO, USE, result(picture("image/png"))) == ""


@pytest.mark.parametrize(
    ("messages", "more"),
    [
        ([HELLO, ASSISTANT], {}),
        ([HELLO, {"role": "tool", "tool_call_id": "a", "content": "a cat"}], {}),
        ([HELLO, {"role": "assistant", "content": None}], {}),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,!"}}]}], {}),
        ([HELLO], {"tools": []}),
        ([HELLO], {"max_tokens": 5}),
        ([], {}),
    ],
    ids=["call without result", "result without call", "says nothing", "no base64", "no tools", "unknown", "empty"],
)
def test_openai_refuses(messages: list[dict[str, Any]], more: dict[str, Any]) -> None:
    assert openai(*messages, **more)


@pytest.mark.parametrize(
    ("messages", "more"),
    [
        ([HELLO, USE, HELLO], {}),
        ([HELLO, result()], {}),
        ([USE, result()], {}),
        ([HELLO, USE, result({"type": "text", "text": " "})], {}),
        ([HELLO, USE, result(picture("image/tiff"))], {}),
        ([HELLO], {"tools": [{"name": "look at", "input_schema": TOOL}]}),
        ([HELLO], {"functions": []}),
    ],
    ids=[
        "call without result",
        "result without call",
        "begins with the model",
        "white space",
        "tiff",
        "name",
        "unknown",
    ],
)
def test_anthropic_refuses(messages: list[dict[str, Any]], more: dict[str, Any]) -> None:
    assert anthropic(*messages, **more)


def test_a_wrong_key_is_refused() -> None:
    assert "key" in OpenAi().refuses({"authorization": "Bearer x"}, b"{}")
    assert "key" in Anthropic().refuses({"x-api-key": "x"}, b"{}")
