"""Which face a picture shows, as a person would say: the one it is most like."""

from __future__ import annotations

from PIL import Image, ImageChops

from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import render


def emotion_in(picture: Image.Image) -> Emotion:
    """The emotion that a picture of a living face shows, on a display of the picture's size."""
    glass = picture.convert("1")

    def unlike(emotion: Emotion) -> int:
        return ImageChops.logical_xor(glass, render(EXPRESSIONS[emotion], glass.size)).histogram()[255]

    return min(Emotion, key=unlike)
