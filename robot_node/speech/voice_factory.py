"""A robot's voice, put together from its settings and devices."""

from __future__ import annotations

from dataclasses import dataclass, field

from robot_node.core.events import EventLog
from robot_node.core.media import AudioSink, AudioSource
from robot_node.core.state import RobotState
from robot_node.devices.audio import Loudspeaker
from robot_node.devices.face import Face
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.mixer import OutgoingSound, PeersLoudspeaker
from robot_node.speech.speaker import Speaker
from robot_node.speech.synthesis_engine import make_engine
from robot_node.webrtc.announcements import Announcements


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice, and what peers share with it.

    Attributes:
        speaker: Says texts; None for a robot without a voice.
        microphone: What peers hear; None when there is nothing.
        loudspeaker: Where peers are heard; None when nowhere.
        announcements: What peers are told.
    """

    speaker: Speaker | None
    microphone: AudioSource | None
    loudspeaker: AudioSink | None
    announcements: Announcements = field(default_factory=Announcements)


def make_voice(
    settings: VoiceSettings,
    face: Face,
    state: RobotState,
    *,
    microphone: AudioSource | None = None,
    loudspeaker: Loudspeaker | None = None,
    events: EventLog | None = None,
) -> Voice:
    """Put the voice together; whatever the loudspeaker plays moves the face's mouth.

    Args:
        settings: The engine and how it speaks.
        face: Whose mouth.
        state: Told whether the robot speaks, and why it cannot.
        microphone: What viewers hear besides.
        loudspeaker: Where it is heard.
        events: Told what is said.

    Raises:
        SettingsError: there is no such engine.
    """
    engine = make_engine(settings)
    if loudspeaker is not None:
        # What the robot itself says moves the mouth also where no loudspeaker plays it, see Speaker.
        loudspeaker.on_level(lambda level: None if state.snapshot.speaking else face.speak([(0.0, level)]))
    if engine is None:
        return Voice(None, microphone, loudspeaker)
    announcements, outgoing = Announcements(), OutgoingSound(microphone)
    speaker = Speaker(
        engine,
        face,
        state,
        language=settings.language,
        loudspeaker=loudspeaker,
        outgoing=outgoing,
        tell=announcements.send,
        events=events,
    )
    peers = None if loudspeaker is None else PeersLoudspeaker(loudspeaker, lambda: speaker.speaking)
    return Voice(speaker, outgoing, peers, announcements)
