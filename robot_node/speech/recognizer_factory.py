"""A robot's ears, put together from its settings and devices."""

from __future__ import annotations

from collections.abc import Callable

from robot_node.core.events import EventLog
from robot_node.core.state import RobotState
from robot_node.devices.audio import Microphone
from robot_node.devices.face import Face
from robot_node.settings.devices import HearingSettings
from robot_node.speech.recognition_engine import Wanted
from robot_node.speech.recognizer import Ears, Source
from robot_node.webrtc.messages import BackendMessage


def make_ears(
    settings: HearingSettings,
    face: Face,
    state: RobotState,
    *,
    microphone: Microphone | None,
    tell: Callable[[BackendMessage], None],
    events: EventLog,
) -> Ears | None:
    """Put the ears together; None when nothing is to be recognised.

    Args:
        settings: The engine, and what it is to recognise.
        face: Shows that the robot listens.
        state: Whether the robot speaks. Told why it cannot hear.
        microphone: The robot's; None without one.
        tell: Given the messages for peers.
        events: Told what was heard.
    """
    if settings.engine == "none":
        return None
    return Ears(
        settings.engine,
        Wanted(settings.language, settings.phrases, str(settings.model or "")),
        face,
        state,
        source=Source(settings.source),
        microphone=microphone,
        tell=tell,
        events=events,
    )
