"""Moved to :mod:`robot_node.speech.recognition_engine`."""

from robot_node.deprecated import moved
from robot_node.speech.recognition_engine import *

moved("hearing.engine", "speech.recognition_engine")
