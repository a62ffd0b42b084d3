"""Moved to :mod:`robot_node.speech.synthesis_engine`."""

from robot_node.deprecated import moved
from robot_node.speech.synthesis_engine import *

moved("voice.engine", "speech.synthesis_engine")
