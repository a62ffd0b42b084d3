"""Moved to :mod:`robot_node.speech.recognition_engine`."""

from robot_node.deprecated import moved
from robot_node.speech.recognition_engine import *
from robot_node.speech.recognition_engine import RecognitionOptions

moved("hearing.engine", "speech.recognition_engine")

Wanted = RecognitionOptions
"""The name that it had."""
