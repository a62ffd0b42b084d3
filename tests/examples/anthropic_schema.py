"""Requests to Anthropic's ``/messages``, as its published schema (MessageCreateParams) has them.

Of what is optional there is only what an agent may need: another member is an error here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Base64Bytes, BaseModel, ConfigDict, Field, model_validator

from tests.examples.openai_schema import object_schema

MAX_PICTURE_BYTES = 5 * 1024 * 1024


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Text(_Strict):
    """TextBlockParam: empty ones, and those of white space, are refused."""

    type: Literal["text"]
    text: Annotated[str, Field(pattern=r"\S")]


class Source(_Strict):
    """Base64ImageSource."""

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: Annotated[Base64Bytes, Field(max_length=MAX_PICTURE_BYTES)]


class Image(_Strict):
    """ImageBlockParam."""

    type: Literal["image"]
    source: Source


class ToolUse(_Strict):
    """ToolUseBlockParam."""

    type: Literal["tool_use"]
    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    input: dict[str, Any]


class ToolResult(_Strict):
    """ToolResultBlockParam."""

    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    content: str | list[Annotated[Text | Image, Field(discriminator="type")]] = ""
    is_error: bool = False


Block = Annotated[Text | Image | ToolUse | ToolResult, Field(discriminator="type")]


class Message(_Strict):
    """MessageParam."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(pattern=r"\S")] | Annotated[list[Block], Field(min_length=1)]

    @property
    def blocks(self) -> list[Text | Image | ToolUse | ToolResult]:
        """Its content, as blocks."""
        return [Text(type="text", text=self.content)] if isinstance(self.content, str) else self.content


class Tool(_Strict):
    """ToolParam."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str = ""
    input_schema: Annotated[dict[str, Any], AfterValidator(object_schema)]


class Request(_Strict):
    """MessageCreateParams, and the order of messages that the API enforces."""

    model: Annotated[str, Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    system: str = ""
    tools: list[Tool] = []

    @model_validator(mode="after")
    def _each_call_is_answered(self) -> Request:
        if self.messages[0].role != "user" or self.messages[-1].role != "user":
            raise ValueError("a conversation begins and ends with the user")
        calls = set[str]()
        for message in self.messages:
            results = {block.tool_use_id for block in message.blocks if isinstance(block, ToolResult)}
            if results != calls:
                raise ValueError("each tool_use needs its tool_result in the next message, and the other way round")
            calls = {block.id for block in message.blocks if isinstance(block, ToolUse)}
            if calls and message.role != "assistant":
                raise ValueError("tool_use is the assistant's")
        return self
