"""Which logger belongs to which category, and levels for each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import robot_node
from robot_node.logs.categories import Category, category_of, levels, set_level, set_levels
from robot_node.settings.logs import LogSettings


@pytest.fixture(autouse=True)
def levels_as_before() -> Iterator[None]:
    """What these tests set is set back."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]
    before = [(logger, logger.level) for logger in loggers]
    yield
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(logging.NOTSET)
    for logger, level in before:
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("logger", "category"),
    [
        ("robot_node.mqtt", Category.MQTT),
        ("robot_node.mqtt.client", Category.MQTT),
        ("robot_node.mcp_mqtt.service", Category.MCP),
        ("mcp.server.lowlevel", Category.MCP),
        ("robot_node.webrtc.answerer", Category.WEBRTC),
        ("aioice.ice", Category.WEBRTC),
        ("robot_node.devices.camera", Category.APP),
        ("asyncio", Category.APP),
        ("", Category.APP),
    ],
)
def test_a_logger_belongs_to_the_category_of_what_it_is_about(logger: str, category: Category) -> None:
    assert category_of(logger) is category


def test_every_module_named_after_a_category_belongs_to_it() -> None:
    root = Path(robot_node.__file__).parent
    with_loggers = [file for file in root.rglob("*.py") if "getLogger(__name__)" in file.read_text()]
    logging_ones = [".".join(file.relative_to(root.parent).with_suffix("").parts) for file in with_loggers]
    assert len(logging_ones) > 30
    for name in logging_ones:
        second = name.split(".")[1]
        for prefix, category in (("mqtt", Category.MQTT), ("mcp", Category.MCP), ("webrtc", Category.WEBRTC)):
            if second.startswith(prefix):
                assert category_of(name) is category, name


def test_each_category_has_a_level_of_its_own_or_the_common_one() -> None:
    set_levels(LogSettings(level="warning", webrtc="debug", app="error"))
    assert levels() == {"mqtt": "warning", "mcp": "warning", "webrtc": "debug", "app": "error"}
    assert logging.getLogger("robot_node.webrtc.session").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("robot_node.mcp_mqtt.link").isEnabledFor(logging.INFO)
    assert not logging.getLogger("robot_node.devices.camera").isEnabledFor(logging.WARNING)


def test_a_level_is_changed_while_the_robot_runs() -> None:
    set_levels(LogSettings())
    set_level(Category.MCP, "debug")
    assert levels() == {"mqtt": "info", "mcp": "debug", "webrtc": "info", "app": "info"}


def test_talkative_libraries_say_no_more_than_errors_but_everything_at_debug() -> None:
    set_levels(LogSettings())
    assert logging.getLogger("aiortc.rtcpeerconnection").getEffectiveLevel() == logging.ERROR
    set_level(Category.WEBRTC, "debug")
    assert logging.getLogger("aiortc.rtcpeerconnection").getEffectiveLevel() == logging.DEBUG
