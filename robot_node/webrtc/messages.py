"""Messages of speech and text on ``$message/{client-id}``, next to a call. Pure: no connection, no clock.

A media backend sends here what it has recognised and what it says; a device sends its own messages to the backend on
``$message/{client-id}/{backend}``. EMQX's documentation describes both as "Multimedia AI Messaging Protocol".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robot_node.core.json_limits import check_json
from robot_node.errors import SignalingError

MAX_TEXT_CHARACTERS = 16_000
"""Of one message; longer ones are refused."""

_ROOT = "$message"
_MAX_MESSAGE_BYTES = 128 * 1024
_MAX_VALUES = 5_000
_MAX_TASK_ID_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class AsrResponse:
    """``asr_response``: what was heard (automatic speech recognition).

    Attributes:
        results: What was said.
        by: Client id of the viewer who said it; empty: it was said near the robot; None: unknown.
    """

    results: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class TtsBegin:
    """``tts_begin``: speech begins (text to speech)."""

    task_id: str


@dataclass(frozen=True, slots=True)
class TtsText:
    """``tts_text``: the next piece of what is said."""

    task_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TtsComplete:
    """``tts_complete``: everything is said."""

    task_id: str


@dataclass(frozen=True, slots=True)
class TtsTerminate:
    """``tts_terminate``: speech was cut short."""

    task_id: str


@dataclass(frozen=True, slots=True)
class TextMessage:
    """``message`` with a text: for people."""

    payload: str


@dataclass(frozen=True, slots=True)
class DataMessage:
    """``message`` with any other JSON: for programs.

    Attributes:
        payload: The JSON value, as :func:`json.loads` returns it.
    """

    payload: object


BackendMessage = AsrResponse | TtsBegin | TtsText | TtsComplete | TtsTerminate | TextMessage | DataMessage


class Announcements:
    """Passes the robot's messages on to the peers of answerer and dialer. Used from the event loop only."""

    def __init__(self) -> None:
        self._receivers: list[Callable[[BackendMessage], None]] = []

    def send(self, message: BackendMessage) -> None:
        """Send a message to every connected peer; it is lost while the broker is unreachable."""
        for receiver in tuple(self._receivers):
            receiver(message)

    def listen(self, receiver: Callable[[BackendMessage], None]) -> Callable[[], None]:
        """Pass each message to ``receiver``, until the returned function is called."""
        self._receivers.append(receiver)
        return lambda: self._receivers.remove(receiver)


def messages_topic(client_id: str) -> str:
    """Topic of the messages for a WebRTC client."""
    return f"{_ROOT}/{client_id}"


def device_messages_topic(client_id: str, backend: str) -> str:
    """Topic of the messages of a WebRTC client, a device, for its backend."""
    return f"{_ROOT}/{client_id}/{backend}"


def device_messages_filter(backend: str) -> str:
    """Topic filter of a backend: the messages of all devices."""
    return device_messages_topic("+", backend)


def sending_device(topic: str) -> str:
    """Return the client id in a topic that :func:`device_messages_filter` matched; empty if it is another topic."""
    root, _, rest = topic.partition("/")
    client_id, _, backend = rest.partition("/")
    return client_id if root == _ROOT and backend else ""


def encode_message(message: BackendMessage) -> bytes:
    """Encode a message."""
    return json.dumps(_document(message), separators=(",", ":"), ensure_ascii=False).encode()


def parse_message(payload: bytes) -> BackendMessage:
    """Read a message.

    Raises:
        SignalingError: not JSON in UTF-8, too large, of an unknown type, or with fields of a wrong form.
    """
    if len(payload) > _MAX_MESSAGE_BYTES:
        raise SignalingError(f"A message of {len(payload)} bytes is too large.")
    try:
        check_json(payload, max_values=_MAX_VALUES)
        document = json.loads(payload.decode())  # bytes might be UTF-16, which was not counted
    # RecursionError: "[[[[..." nested deeper than the parser goes.
    except (ValueError, RecursionError) as error:
        raise SignalingError("A message is not JSON in UTF-8.") from error
    if not isinstance(document, dict):
        raise SignalingError("A message is not a JSON object.")
    match document.get("type"):
        case "asr_response":
            return AsrResponse(_results(document), _text(document, "by") if "by" in document else None)
        case "tts_begin":
            return TtsBegin(_task_id(document))
        case "tts_text":
            return TtsText(_task_id(document), _text(document, "text"))
        case "tts_complete":
            return TtsComplete(_task_id(document))
        case "tts_terminate":
            return TtsTerminate(_task_id(document))
        case "message":
            is_text = isinstance(document.get("payload"), str)
            return TextMessage(_text(document, "payload")) if is_text else DataMessage(document.get("payload"))
        case kind:
            raise SignalingError(f"A message has the unknown type {str(kind)[:40]!r}.")


def _document(message: BackendMessage) -> dict[str, object]:
    match message:
        case AsrResponse(results, by):
            return {"type": "asr_response", "results": results, **({} if by is None else {"by": by})}
        case TtsBegin(task_id):
            return {"type": "tts_begin", "task_id": task_id}
        case TtsText(task_id, text):
            return {"type": "tts_text", "task_id": task_id, "text": text}
        case TtsComplete(task_id):
            return {"type": "tts_complete", "task_id": task_id}
        case TtsTerminate(task_id):
            return {"type": "tts_terminate", "task_id": task_id}
        case TextMessage(payload) | DataMessage(payload):
            return {"type": "message", "payload": payload}


def _results(document: dict[str, Any]) -> str:
    """What was heard: a text, or with ``"format": "raw"`` the recogniser's list of sentences."""
    results = document.get("results")
    if not isinstance(results, list):
        return _text(document, "results")
    texts = (entry.get("text") if isinstance(entry, dict) else entry for entry in results)
    joined = " ".join(text.strip() for text in texts if isinstance(text, str))
    return _text({"results": joined}, "results")


def _text(document: dict[str, Any], name: str) -> str:
    text = document.get(name)
    if not isinstance(text, str) or len(text) > MAX_TEXT_CHARACTERS:
        raise SignalingError(f"The {name} of a message is not a text of at most {MAX_TEXT_CHARACTERS} characters.")
    return text


def _task_id(document: dict[str, Any]) -> str:
    task_id = document.get("task_id")
    if isinstance(task_id, int | float) and not isinstance(task_id, bool):
        task_id = str(task_id)
    if not isinstance(task_id, str) or not 0 < len(task_id) <= _MAX_TASK_ID_CHARACTERS:
        raise SignalingError(
            f"The task_id of a message is neither a number nor a text of 1 to {_MAX_TASK_ID_CHARACTERS} characters."
        )
    return task_id
