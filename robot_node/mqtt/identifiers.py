"""Validation of ids and names that become parts of topics. Pure.

Source: MCP over MQTT (EMQX specification, 2025-03-26 revision), "Identifiers"; MQTT 5.0, 1.5.4 and 4.7.
"""

from __future__ import annotations

import unicodedata

MAX_IDENTIFIER_BYTES = 1024
"""Longest id or server name that we accept, in UTF-8 bytes: a topic made of three stays far below MQTT's 65535."""

RESERVED_IDS = frozenset({"presence", "capability"})
"""No server may have these ids: ``$mcp-server/presence/...`` are the topics of all servers."""


def is_client_id(value: str) -> bool:
    """Whether ``value`` can be a client id or server id: one level of a topic, without wildcards."""
    return bool(value) and "/" not in value and is_topic_text(value)


def is_server_name(value: str) -> bool:
    """Whether ``value`` can be a server name: hierarchical, with at least one ``/`` which isn't the first character."""
    return "/" in value and not value.startswith("/") and is_topic_text(value)


def is_topic_text(value: str) -> bool:
    """Whether ``value`` can be part of a topic: without wildcards, and of characters that no broker refuses."""
    # MQTT 5.0, 1.5.4: a broker may close the connection of a client that names a topic with control characters,
    # unpaired surrogates or non-characters. A stranger must not cause that by claiming such an id.
    if "+" in value or "#" in value:
        return False
    if value.isascii():
        return value.isprintable() and len(value) <= MAX_IDENTIFIER_BYTES
    if any(unicodedata.category(char) in {"Cc", "Cs"} or _is_noncharacter(char) for char in value):
        return False
    return len(value.encode()) <= MAX_IDENTIFIER_BYTES


def _is_noncharacter(char: str) -> bool:
    code = ord(char)
    # U+FEFF is legal, but paho-mqtt calls a packet that contains it malformed.
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE or code == 0xFEFF
