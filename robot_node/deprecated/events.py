"""Moved to :mod:`robot_node.core.events`."""

from robot_node.core.events import *  # noqa: F403  # a re-export
from robot_node.deprecated import moved

moved("events", "core.events")
