"""Log categories: each logger belongs to one, and each has its own level."""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping

from robot_node.settings.logs import Level, LogSettings


class Category(enum.StrEnum):
    """Subject of a log record."""

    MQTT = "mqtt"
    """Connections to the broker."""
    MCP = "mcp"
    """Agents: sessions and requests."""
    WEBRTC = "webrtc"
    """Viewers and calls: sessions, video and sound."""
    APP = "app"
    """The robot itself (devices, face, voice, settings) and everything without another category."""


# By logger; each includes its children.
_CATEGORIES: Mapping[str, Category] = {
    "robot_node.mqtt": Category.MQTT,
    "mqtt": Category.MQTT,  # aiomqtt's
    "paho": Category.MQTT,
    "robot_node.mcp_mqtt": Category.MCP,
    "robot_node.apps.bridge": Category.MCP,
    "mcp": Category.MCP,
    "robot_node.webrtc": Category.WEBRTC,
    "aioice": Category.WEBRTC,
    "aiortc": Category.WEBRTC,
    "libav": Category.WEBRTC,
    "PIL": Category.APP,
    "picamera2": Category.APP,
}

# Libraries that log at INFO or WARNING what this package logs already.
_VERBOSE = frozenset({"aioice", "aiortc", "libav", "mcp", "PIL", "picamera2"})


def category_of(logger: str) -> Category:
    """Return the category of a logger, by its name."""
    name = logger
    while name:
        if name in _CATEGORIES:
            return _CATEGORIES[name]
        name = name.rpartition(".")[0]
    return Category.APP


def set_level(category: Category, level: Level) -> None:
    """Set the level of a category."""
    number = logging.getLevelNamesMapping()[level.upper()]
    if category is Category.APP:
        logging.getLogger().setLevel(number)
    for name, its_category in _CATEGORIES.items():
        if its_category is category:
            quiet = name in _VERBOSE and level != "debug"
            logging.getLogger(name).setLevel(logging.ERROR if quiet else number)


def set_levels(settings: LogSettings) -> None:
    """Set the level of each category: its own setting, else the common one."""
    for category in Category:
        set_level(category, getattr(settings, category) or settings.level)


def levels() -> dict[Category, str]:
    """Return the current level of each category."""
    # The first logger of each category is this package's own: its level is never raised.
    first = {category: name for name, category in reversed(tuple(_CATEGORIES.items()))} | {Category.APP: ""}
    return {
        category: logging.getLevelName(logging.getLogger(first[category]).getEffectiveLevel()).lower()
        for category in Category
    }
