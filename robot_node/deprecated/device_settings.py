"""Moved to :mod:`robot_node.settings.devices`."""

from robot_node.deprecated import moved
from robot_node.settings.devices import *

moved("device_settings", "settings.devices")
