"""The published schema of OpenAI Realtime: the types of OpenAI's own package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
_SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def check_client_event(message: Mapping[str, Any]) -> None:
    """Raise unless the message is one that a client may send, without fields that the schema does not know."""
    _check(_CLIENT.validate_python(message))


def check_server_event(message: Mapping[str, Any]) -> None:
    """Raise unless the message is one that a server sends: a stand-in that makes up its own proves nothing."""
    _check(_SERVER.validate_python(message))


def _check(value: object) -> None:
    match value:
        case BaseModel():
            assert not value.model_extra, f"{type(value).__name__} has no {sorted(value.model_extra)}"
            for name in value.model_fields_set:
                _check(getattr(value, name))
        case list():
            for each in value:
                _check(each)
