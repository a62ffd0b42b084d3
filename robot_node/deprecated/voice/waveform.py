"""Moved to :mod:`robot_node.speech.waveform`."""

from robot_node.deprecated import moved
from robot_node.speech.waveform import *

moved("voice.waveform", "speech.waveform")
