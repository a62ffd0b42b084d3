"""Moved to :mod:`robot_node.core.events`."""

from robot_node.core.events import *
from robot_node.deprecated import moved

moved("events", "core.events")
