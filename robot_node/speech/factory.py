"""Builds a robot's mixer, voice and speech recognition from its settings and devices."""

from __future__ import annotations

from dataclasses import dataclass

from robot_node.core.events import EventLog
from robot_node.core.media import LoudspeakerSink, MicrophoneSource
from robot_node.core.mixer import Input, Mixer
from robot_node.core.state import RobotState, ViewerSpeech
from robot_node.devices.face import Face
from robot_node.settings.devices import HearingSettings
from robot_node.settings.root import Settings
from robot_node.speech.phrase_cache import PhraseCache
from robot_node.speech.recognition import SpeechRecognition
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.speaker import Speaker
from robot_node.speech.synthesis_engine import make_engine
from robot_node.speech.turn_options import TurnOptions
from robot_node.webrtc.messages import Announcements

_RECOGNISED = {
    "microphone": frozenset({Input.MICROPHONE}),
    "viewer": frozenset({Input.VIEWER}),
    "both": frozenset({Input.MICROPHONE, Input.VIEWER}),
}
"""By ``hearing.source``."""


@dataclass(frozen=True, slots=True)
class Speech:
    """The parts of a robot that speak and hear.

    Attributes:
        mixer: Where all sound of the robot meets.
        speaker: Says texts; None for a robot without a voice.
        recognition: Recognises speech; None when nothing is to be recognised.
        announcements: Messages about speech for all peers.
    """

    mixer: Mixer
    speaker: Speaker | None
    recognition: SpeechRecognition | None
    announcements: Announcements


def build_speech(
    settings: Settings,
    face: Face,
    state: RobotState,
    events: EventLog,
    *,
    microphone: MicrophoneSource | None = None,
    loudspeaker: LoudspeakerSink | None = None,
) -> Speech:
    """Build the parts that the settings ask for, connected by the mixer; the mouth follows what is heard.

    Args:
        settings: The sections ``audio``, ``voice``, ``hearing`` and ``realtime``.
        face: Moves its mouth, shows subtitles and that the robot listens.
        state: Gets whether the robot speaks, and the errors of the engines.
        events: Gets what the robot says and hears.
        microphone: None without one.
        loudspeaker: None without one.

    Raises:
        SettingsError: there is no such speech engine.
    """
    voice, hearing = settings.voice, settings.hearing
    engine = make_engine(voice)
    announcements = Announcements()

    def show_floor(taken: bool) -> None:  # the mixer's signature
        speech = ViewerSpeech.TAKEN if taken else ViewerSpeech.FREE
        state.update(viewers_speak=speech if mixer.accepts(Input.VIEWER) else None)

    mixer = Mixer(
        microphone=microphone,
        loudspeaker=loudspeaker,
        mouth=lambda delay_s, level: face.speak([(delay_s, level)]),
        has_voice=engine is not None,
        recognised=frozenset() if hearing.engine == "none" else _RECOGNISED[hearing.source],
        viewer_may_speak=settings.audio.viewer_may_speak,
        on_floor=show_floor,
    )
    heard = hearing.engine != "none" and hearing.source != "microphone" and settings.audio.viewer_may_speak
    state.update(viewers_hear=mixer.has_sound_for_peers, viewers_heard=heard)
    show_floor(False)
    speaker = recognition = None
    if engine is not None:
        speaker = Speaker(
            PhraseCache(engine),
            face,
            state,
            mixer,
            language=voice.language,
            languages=voice.voice_by_language,
            send=announcements.send,
            events=events,
        )
    if hearing.engine != "none":
        options = RecognitionOptions(hearing.language, hearing.all_phrases, str(hearing.model or ""))
        recognition = SpeechRecognition(
            hearing.engine,
            options,
            mixer,
            face,
            state,
            turns=_turn_options(hearing, sound=settings.realtime.sends_sound),
            send=announcements.send,
            events=events,
            stop_speaking=speaker.stop if speaker is not None else lambda: 0,
            interrupt=speaker.interrupt if speaker is not None else lambda: None,
        )
    return Speech(mixer, speaker, recognition, announcements)


def _turn_options(hearing: HearingSettings, *, sound: bool) -> TurnOptions:
    return TurnOptions(
        voice_activity=hearing.voice_activity,
        speech_threshold=hearing.speech_threshold,
        wake_word=hearing.wake_word,
        wake_words=hearing.wake_words,
        stop_words=hearing.stop_words,
        wake_threshold=hearing.wake_threshold,
        end_of_speech_s=hearing.end_of_speech_s,
        follow_up_s=hearing.follow_up_s,
        stop_phrases=hearing.stop_phrases if hearing.has_turns else (),
        interruptible=hearing.interruptible and hearing.has_turns,
        sound=sound,
    )
