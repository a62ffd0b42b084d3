"""What a record is about: each logger belongs to one category, and each category has a level."""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping

from robot_node.settings.logs import Level, LogSettings


class Category(enum.StrEnum):
    """What a record is about."""

    MQTT = "mqtt"
    """Connections to the broker."""
    MCP = "mcp"
    """Agents: their sessions, and what they ask."""
    WEBRTC = "webrtc"
    """Viewers and calls: their sessions, and what they see and hear."""
    APP = "app"
    """The robot itself: devices, face, voice, settings; and whatever belongs to no other category."""


# By logger, which stands for those below it too.
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

# Libraries that tell at INFO or WARNING what we already tell in our own words.
_TALKATIVE = frozenset({"aioice", "aiortc", "libav", "mcp", "PIL", "picamera2"})


def category_of(logger: str) -> Category:
    """The category of a logger, by its name."""
    name = logger
    while name:
        if name in _CATEGORIES:
            return _CATEGORIES[name]
        name = name.rpartition(".")[0]
    return Category.APP


def set_level(category: Category, level: Level) -> None:
    """From now on, say what is of that level and above."""
    number = logging.getLevelNamesMapping()[level.upper()]
    if category is Category.APP:
        logging.getLogger().setLevel(number)
    for name, its_category in _CATEGORIES.items():
        if its_category is category:
            quiet = name in _TALKATIVE and level != "debug"
            logging.getLogger(name).setLevel(logging.ERROR if quiet else number)


def set_levels(settings: LogSettings) -> None:
    """Give each category its level: its own, or else the common one."""
    for category in Category:
        set_level(category, getattr(settings, category) or settings.level)


def levels() -> dict[Category, str]:
    """The present level of each category."""
    # A category's first logger is one of ours, which is never quietened.
    first = {category: name for name, category in reversed(tuple(_CATEGORIES.items()))} | {Category.APP: ""}
    return {
        category: logging.getLevelName(logging.getLogger(first[category]).getEffectiveLevel()).lower()
        for category in Category
    }
