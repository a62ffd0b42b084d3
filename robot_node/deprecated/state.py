"""Moved to :mod:`robot_node.core.state`."""

from robot_node.core.state import *
from robot_node.deprecated import moved

moved("state", "core.state")
