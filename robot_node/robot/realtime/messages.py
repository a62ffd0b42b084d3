"""Messages of the protocol OpenAI Realtime: how those to a server are made, and what is read of its own. Pure.

Two generations of it are in use. The first is that of OpenAI's published schema; many compatible servers keep to the
beta before it, which had other names for some events and another ``session.update``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robot_node.robot.realtime.actions import SOUND_RATE, Send

Tool = tuple[str, str, Mapping[str, Any]]
"""Name, description and JSON schema."""

MAY_FAIL = "may-fail"
"""Event id of messages that may come too late: their errors are of no consequence."""

SESSION = "session"
"""Event id of the first message."""

_NO_ANSWER = "The model did not answer."


@dataclass(frozen=True, slots=True)
class SoundOptions:
    """How a conversation by sound is held.

    Attributes:
        voice: The model's, by its name; empty: as the server likes.
        transcription_model: Makes text of what people say; empty: none.
    """

    voice: str = ""
    transcription_model: str = ""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session is held.

    Attributes:
        instructions: What the model gets first.
        tools: What it may call.
        sound: How it is held by sound; None: by text.
    """

    instructions: str
    tools: Sequence[Tool]
    sound: SoundOptions | None = None

    def update(self) -> Send:
        """The message that begins the session."""
        session: dict[str, Any] = {"type": "realtime", "output_modalities": ["text"], **self._common()}
        if self.sound is not None:
            session |= {"output_modalities": ["audio"], "audio": _audio(self.sound)}
        return Send({"type": "session.update", "event_id": SESSION, "session": session})

    def beta_update(self) -> Send:
        """The same for a server of the beta, which knows its own form alone."""
        session: dict[str, Any] = {"modalities": ["text"], **self._common(), "turn_detection": None}
        if (sound := self.sound) is not None:
            session |= {"modalities": ["audio", "text"], "input_audio_format": "pcm16", "output_audio_format": "pcm16"}
            if sound.transcription_model:
                session["input_audio_transcription"] = {"model": sound.transcription_model}
            if sound.voice:
                session["voice"] = sound.voice
        return Send({"type": "session.update", "session": session})

    def _common(self) -> dict[str, Any]:
        tools = [
            {"type": "function", "name": name, "description": description, "parameters": dict(schema)}
            for name, description, schema in self.tools
        ]
        return {"instructions": self.instructions, "tools": tools, "tool_choice": "auto"}


def is_beta(session: Mapping[str, Any]) -> bool:
    """Return whether a server that describes a session so is one of the beta."""
    return "modalities" in session and "output_modalities" not in session


def item(content: Mapping[str, Any]) -> Send:
    """Add something to the conversation."""
    return Send({"type": "conversation.item.create", "item": content})


def text_of(role: str, text: str) -> Send:
    """Add a text to the conversation."""
    return item({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]})


def samples(delta: str) -> bytes:
    """Read sound."""
    try:
        return base64.b64decode(delta, validate=True)
    except ValueError:
        return b""


def response_id(event: Mapping[str, Any]) -> str:
    """Return of which answer an event is; empty: it does not say."""
    match event:
        case {"response": {"id": str(name)}} | {"response_id": str(name)}:
            return name
    return ""


def output_of(response: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what an answer consists of, as its end lists it once more."""
    output = response.get("output")
    yield from (each for each in output if isinstance(each, Mapping)) if isinstance(output, list) else ()


def text_in(content: Mapping[str, Any]) -> str:
    """Return the text of one of the things that an answer consists of."""
    parts = content.get("content")
    texts = (part.get("text") for part in parts if isinstance(part, Mapping)) if isinstance(parts, list) else ()
    return " ".join(text for text in texts if isinstance(text, str))


def reason_of(response: Mapping[str, Any]) -> str:
    """Return why an answer failed."""
    match response:
        case {"status_details": {"error": {} as error}}:
            return message_of(error)
    return _NO_ANSWER


def message_of(error: object) -> str:
    """Return what an error says."""
    match error:
        case str() if error:
            return error
        case {"message": str(found)} | {"code": str(found)} | {"type": str(found)} if found:
            return found
    return _NO_ANSWER


def _audio(options: SoundOptions) -> dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": SOUND_RATE}
    # The robot itself finds the end of what is said: the server gets nothing but that.
    given: dict[str, Any] = {"format": pcm, "turn_detection": None}
    if options.transcription_model:
        given["transcription"] = {"model": options.transcription_model}
    made: dict[str, Any] = {"format": pcm}
    if options.voice:
        made["voice"] = options.voice
    return {"input": given, "output": made}
