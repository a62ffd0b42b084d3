"""The published schema of OpenAI Realtime: the types of OpenAI's own package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter


def check_client_event(message: Mapping[str, Any]) -> None:
    """Raise unless the message is one that a client may send, without fields that the schema does not know."""
    _check(_adapter("RealtimeClientEvent").validate_python(message))


def check_server_event(message: Mapping[str, Any]) -> None:
    """Raise unless the message is one that a server sends: a stand-in that makes up its own proves nothing."""
    _check(_adapter("RealtimeServerEvent").validate_python(message))


@cache
def _adapter(union: str) -> TypeAdapter[Any]:
    """OpenAI's package takes a second to import, which each process that collects tests would pay."""
    from openai.types import realtime

    return TypeAdapter(getattr(realtime, union))


def _check(value: object) -> None:
    match value:
        case BaseModel():
            assert not value.model_extra, f"{type(value).__name__} has no {sorted(value.model_extra)}"
            for name in value.model_fields_set:
                _check(getattr(value, name))
        case list():
            for each in value:
                _check(each)
