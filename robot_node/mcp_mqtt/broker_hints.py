"""A broker's hints in CONNACK to an MCP client: which servers it may look for, and its roles there. Pure.

Source: MCP over MQTT (EMQX specification, 2025-03-26 revision), "User Property", user properties of CONNACK.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pydantic_core
from pydantic import TypeAdapter

from robot_node.core.json_limits import check_json
from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.errors import BrokerError, SettingsError
from robot_node.mcp_mqtt import topics

logger = logging.getLogger(__name__)

_SERVER_NAME_FILTERS = "MCP-SERVER-NAME-FILTERS"
_RBAC = "MCP-RBAC"
_STRINGS = TypeAdapter(list[str])
_MAX_VALUES = 20_000

UserProperties = tuple[tuple[str, str], ...]


def name_filters(connack: UserProperties) -> tuple[str, ...] | None:
    """The server name filters in CONNACK; None when there are none.

    Args:
        connack: User properties of CONNACK.

    Raises:
        BrokerError: they cannot be used: a client must use them, and so cannot go on.
    """
    value = _first(connack, _SERVER_NAME_FILTERS)
    if value is None:
        return None
    try:
        return tuple(topics.check_name_filter(_name_part(entry)) for entry in _STRINGS.validate_json(value))
    except (ValueError, SettingsError) as error:
        raise BrokerError(
            f"The broker's {_SERVER_NAME_FILTERS} cannot be used: {bounded(value, SHOWN_CHARACTERS)!r}.",
            remedy="Correct it in the broker's settings: a JSON array of server name filters.",
        ) from error


def presence_filters(connack: UserProperties, name_filter: str) -> tuple[str, ...]:
    """The topic filters by which a client finds servers: the broker's, or else that of ``name_filter``.

    Raises:
        BrokerError: the broker's filters cannot be used.
    """
    value = name_filters(connack)
    return tuple(topics.presence_filter(entry) for entry in ((name_filter,) if value is None else value))


def may_see(connack: UserProperties, server_name: str) -> bool:
    """Whether the broker's filters include the server.

    Raises:
        BrokerError: the broker's filters cannot be used.
    """
    value = name_filters(connack)
    return value is None or any(topics.name_matches(entry, server_name) for entry in value)


def roles(connack: UserProperties) -> Mapping[str, str]:
    """Our role at each server, by server name, as far as CONNACK names it.

    A value that cannot be used is logged and ignored: the roles are for information.
    """
    value = _first(connack, _RBAC)
    if value is None:
        return {}
    try:
        check_json(value.encode(), max_values=_MAX_VALUES)
        entries: Any = pydantic_core.from_json(value)
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(_is_role(entry) for entry in entries):
        logger.warning(
            "The broker's %s cannot be used: %.80r. It should be a JSON array of {server_name, role_name}.",
            _RBAC,
            value,
        )
        return {}
    return {entry["server_name"]: entry["role_name"] for entry in entries}


def _is_role(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("server_name"), str)
        and isinstance(entry.get("role_name"), str)
    )


def _first(properties: UserProperties, name: str) -> str | None:
    return next((value for key, value in properties if key == name), None)


def _name_part(name_filter: str) -> str:
    return name_filter.removeprefix(topics.presence_filter(""))
