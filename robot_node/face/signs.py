"""Status signs at the display's edge: connection, camera, viewers, microphone, privacy, errors. Pure."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from PIL import Image

from robot_node.face.timing import chance

COLUMN = 8
"""Width in pixels of the column of signs at the left edge, which no face overlaps."""

_ROWS = 6
_PERIOD = 0.4
"""Seconds per frame of an animated sign."""


class Link(enum.StrEnum):
    """State of the connection to the broker."""

    ONLINE = "online"
    CONNECTING = "connecting"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Signs:
    """The robot's status as shown by signs; by default none is shown.

    Attributes:
        link: Connection to the broker; no sign while online.
        camera: The camera is on: a dot.
        watched: There are viewers: an eye, with the camera's dot as its pupil.
        privacy: The privacy switch is engaged: a closed eye.
        recording: The camera's video is being recorded: an R, in turns with the camera's dot.
        microphone: The microphone is on.
        deaf: The microphone has been switched off, by hand or from afar: the microphone, crossed out.
        listening: The robot listens to speech: moving bars.
        error: Short text of a fault, shown below the face from time to time; empty for none.
    """

    link: Link = Link.ONLINE
    camera: bool = False
    watched: bool = False
    privacy: bool = False
    recording: bool = False
    microphone: bool = False
    deaf: bool = False
    listening: bool = False
    error: str = ""


_DOT = ("       ", "  ###  ", " ##### ", " ##### ", "  ###  ", "       ")
_EYE = ("  ###  ", "##   ##", "#     #", "#     #", "##   ##", "  ###  ")
_SEEING_EYE = ("  ###  ", "##   ##", "# ### #", "# ### #", "##   ##", "  ###  ")
_CLOSED_EYE = ("       ", "#     #", " ##### ", " # # # ", "#  #  #", "       ")
_RECORDING = ("#######", "#   ###", "# ## ##", "#   ###", "# ## ##", "#######")
_MICROPHONE = ("  ###  ", "  ###  ", "# ### #", "#  #  #", " ##### ", "   #   ")
_NO_MICROPHONE = ("# ###  ", " # ##  ", "# # # #", "#  #  #", " ### # ", "   #  #")
_OFFLINE = ("#     #", " ## ## ", "  ###  ", "  ###  ", " ## ## ", "#     #")
_ERROR = ("  ###  ", "  ###  ", "  ###  ", "   #   ", "       ", "   #   ")
_CONNECTING = (
    ("       ", "       ", "       ", "       ", "       ", "   #   "),
    ("       ", "       ", "  ###  ", " #   # ", "       ", "   #   "),
    (" ##### ", "#     #", "  ###  ", " #   # ", "       ", "   #   "),
)


def draw_signs(picture: Image.Image, signs: Signs, time: float) -> None:
    """Draw the signs onto a picture, one below the other from the top left corner."""
    pitch = _ROWS + (3 if picture.height >= 64 else 1)
    for place, rows in enumerate(_bitmaps(signs, time)):
        for y, row in enumerate(rows):
            for x, pixel in enumerate(row):
                if pixel == "#":
                    picture.putpixel((x, place * pitch + y), 1)


def frame(signs: Signs, time: float) -> int:
    """Return the frame number of animated signs; 0 if there are none."""
    return math.floor(time / _PERIOD) if _moves(signs) else 0


def next_change(signs: Signs, time: float) -> float:
    """Return when the signs change next; infinity if they do not."""
    return (math.floor(time / _PERIOD) + 1) * _PERIOD if _moves(signs) else math.inf


def _moves(signs: Signs) -> bool:
    return signs.listening or signs.recording or signs.link is Link.CONNECTING


def _bitmaps(signs: Signs, time: float) -> list[tuple[str, ...]]:
    # At most three, so that they fit on the lower display next to a raised face.
    shown: list[tuple[str, ...]] = []
    if signs.link is Link.CONNECTING:
        shown.append(_CONNECTING[math.floor(time / _PERIOD) % len(_CONNECTING)])
    elif signs.link is Link.OFFLINE:
        shown.append(_OFFLINE)
    elif signs.error:
        shown.append(_ERROR)
    if signs.recording and math.floor(time / _PERIOD) % 4 < 2:
        shown.append(_RECORDING)
    elif signs.privacy:
        shown.append(_CLOSED_EYE)
    elif signs.watched:
        shown.append(_SEEING_EYE if signs.camera else _EYE)
    elif signs.camera:
        shown.append(_DOT)
    if signs.listening:
        shown.append(_bars(math.floor(time / _PERIOD)))
    elif signs.microphone:
        shown.append(_MICROPHONE)
    elif signs.deaf:
        shown.append(_NO_MICROPHONE)
    return shown


def _bars(number: int) -> tuple[str, ...]:
    heights = [1 + round(5 * chance(0, bar, number)) for bar in range(4)]
    return tuple(" ".join("#" if height >= _ROWS - row else " " for height in heights) for row in range(_ROWS))
