"""Moved to :mod:`robot_node.core.state`."""

from robot_node.core.state import *  # noqa: F403  # a re-export
from robot_node.deprecated import moved

moved("state", "core.state")
