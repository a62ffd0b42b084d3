"""Requests to OpenAI's ``/chat/completions``, as its published schema (CreateChatCompletionRequest) has them.

Of what is optional there is only what an agent may need: another member is an error here.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _json_object(text: str) -> str:
    if not isinstance(json.loads(text), dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # pydantic makes a complaint of this one
    return text


def _picture(url: str) -> str:
    head, _, data = url.partition(";base64,")
    if head not in {"data:image/jpeg", "data:image/png"}:
        raise ValueError("no picture")
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    return url


def object_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema of a tool's arguments: an object's."""
    if schema.get("type") != "object":
        raise ValueError("arguments are an object")
    return schema


class Text(_Strict):
    """A text of a content."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1)]


class ImageUrl(_Strict):
    """Where a picture is."""

    url: Annotated[str, AfterValidator(_picture)]
    detail: Literal["auto", "low", "high"] = "auto"


class Image(_Strict):
    """A picture of a content: of a user's message only."""

    type: Literal["image_url"]
    image_url: ImageUrl


class System(_Strict):
    """ChatCompletionRequestSystemMessage."""

    role: Literal["system"]
    content: str


class User(_Strict):
    """ChatCompletionRequestUserMessage."""

    role: Literal["user"]
    content: str | Annotated[list[Annotated[Text | Image, Field(discriminator="type")]], Field(min_length=1)]


class CalledFunction(_Strict):
    """The function of a call."""

    name: ToolName
    arguments: Annotated[str, AfterValidator(_json_object)]


class Call(_Strict):
    """ChatCompletionMessageToolCall."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class Assistant(_Strict):
    """ChatCompletionRequestAssistantMessage: its content is needed unless it calls tools."""

    role: Literal["assistant"]
    content: str | None = None
    tool_calls: Annotated[list[Call] | None, Field(min_length=1)] = None

    @model_validator(mode="after")
    def _says_something(self) -> Assistant:
        if self.content is None and self.tool_calls is None:
            raise ValueError("content is needed unless there are tool_calls")
        return self


class ToolMessage(_Strict):
    """ChatCompletionRequestToolMessage: text alone."""

    role: Literal["tool"]
    tool_call_id: str
    content: str | Annotated[list[Text], Field(min_length=1)]


class Function(_Strict):
    """FunctionObject."""

    name: ToolName
    description: Annotated[str, Field(max_length=1024)] = ""
    parameters: Annotated[dict[str, Any], AfterValidator(object_schema)]


class Tool(_Strict):
    """ChatCompletionTool."""

    type: Literal["function"]
    function: Function


class Request(_Strict):
    """CreateChatCompletionRequest, and the order of messages that the API enforces."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[
        list[Annotated[System | User | Assistant | ToolMessage, Field(discriminator="role")]], Field(min_length=1)
    ]
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128)]
    max_completion_tokens: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _each_call_is_answered(self) -> Request:
        open_calls = set[str]()
        for message in self.messages:
            if isinstance(message, ToolMessage):
                if message.tool_call_id not in open_calls:
                    raise ValueError("messages with role 'tool' must follow a message with 'tool_calls'")
                open_calls.remove(message.tool_call_id)
            elif open_calls:
                raise ValueError("'tool_calls' must be followed by tool messages for each 'tool_call_id'")
            if isinstance(message, Assistant):
                open_calls = {call.id for call in message.tool_calls or []}
        if open_calls:
            raise ValueError("'tool_calls' without results")
        return self
