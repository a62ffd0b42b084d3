"""Moved to :mod:`robot_node.speech.waveform`."""

from robot_node.deprecated import moved
from robot_node.speech.waveform import *  # noqa: F403  # a re-export

moved("voice.waveform", "speech.waveform")
