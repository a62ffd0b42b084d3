"""Moved to :mod:`robot_node.tools.common`."""

from robot_node.deprecated import moved
from robot_node.tools.common import *

moved("tool_errors", "tools.common")
