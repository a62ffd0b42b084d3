"""The face: emotions to pixels. Pure: no hardware, no clock of its own, no import but errors."""

from robot_node.face.expressions import EXPRESSIONS, Emotion, parse_emotion
from robot_node.face.gallery import gallery
from robot_node.face.renderer import render
from robot_node.face.shapes import Expression

__all__ = ["EXPRESSIONS", "Emotion", "Expression", "gallery", "parse_emotion", "render"]
