"""Speech recognition: what the mixer's tap hears becomes text for agents, peers and the face."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from robot_node.core.backoff import Backoff
from robot_node.core.events import EventLog
from robot_node.core.media import Played
from robot_node.core.mixer import Mixer
from robot_node.core.state import Device, RobotSnapshot, RobotState
from robot_node.devices.face import Face
from robot_node.errors import DeviceError
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_messages import (
    EngineMessage,
    Interruption,
    Listening,
    PartialUtterance,
    Ready,
    SpokenEnd,
    SpokenSound,
    StopWord,
    TurnBegan,
    TurnEnd,
    TurnEnded,
    Utterance,
    WakeWord,
)
from robot_node.speech.recognition_process import RecognizerProcess, running
from robot_node.speech.turn_claims import HEARD, TurnClaims
from robot_node.speech.turn_options import NONE, TurnOptions
from robot_node.speech.words import words_of
from robot_node.webrtc.messages import AsrResponse, BackendMessage

logger = logging.getLogger(__name__)

WAKE_WORD, STOP_WORD, TURN = "wake_word", "stop_word", "turn"
"""Kinds of events: a wake word or stop word, its name is the device; a turn began or ended."""

TALK_S = 8.0
"""How long the robot waits for speech when somebody pushed to talk."""

_ENDINGS = {
    TurnEnd.HEARD: "The turn has ended.",
    TurnEnd.SILENCE: "The turn has ended: nothing was understood.",
    TurnEnd.TOO_LONG: "The turn has ended: the sound did not end.",
    TurnEnd.STOPPED: "The turn has ended: somebody said stop.",
    TurnEnd.INTERRUPTED: "The turn has ended: the robot or a viewer speaks.",
    TurnEnd.SWITCHED_OFF: "The turn has ended: the microphone was closed.",
}


class SpeechSink(Protocol):
    """Receives the sound of what people say in turns. Every method is called on the event loop and returns at once."""

    def hear(self, sound: str) -> None:
        """Receive what comes next: see :class:`robot_node.speech.recognition_messages.SpokenSound`."""

    def end(self, reason: TurnEnd) -> None:
        """What was said has ended: see :class:`robot_node.speech.recognition_messages.SpokenEnd`."""


class SpeechRecognition:
    """Recognises speech: a :class:`robot_node.core.media.RecognitionTap`, which needs :meth:`run` to be running.

    Used from the event loop only. Which sound is recognised, and which is not because the robot itself or its
    loudspeaker makes it, is the mixer's decision.

    Args:
        engine: Name of the recognition engine.
        options: What it is to recognise.
        mixer: Its tap ``recognition`` is connected while the engine runs.
        face: Shows that the robot listens, and what it understood.
        state: Gets the fault of hearing.
        turns: How turns of a conversation begin and end; as a rule there are none, and all that is said is recognised.
        send: Sends messages to peers.
        events: Gets what was understood: kind ``heard``, the text nothing but that, and by which viewer; and with
            turns when they begin and end.
        stop_speaking: Silences the robot's voice: at a stop phrase, and at a wake word while the robot speaks.
        interrupt: Silences it because a person speaks.
        retry_initial_s: Seconds until an engine that failed is started again; doubles each time.
        retry_maximum_s: The longest delay.

    Attributes:
        claims: Agents that wait for what is said next.
    """

    def __init__(
        self,
        engine: str,
        options: RecognitionOptions,
        mixer: Mixer,
        face: Face,
        state: RobotState,
        *,
        turns: TurnOptions = TurnOptions(),
        send: Callable[[BackendMessage], None] = lambda _: None,
        events: EventLog | None = None,
        stop_speaking: Callable[[], object] = lambda: None,
        interrupt: Callable[[], object] = lambda: None,
        retry_initial_s: float = 5.0,
        retry_maximum_s: float = 300.0,
    ) -> None:
        self._engine = engine
        self._options = options
        self._mixer = mixer
        self._face = face
        self._state = state
        self._turns = turns
        self._send = send
        self._events = events or EventLog()
        self.claims = TurnClaims(self._events)
        self._stop_speaking = stop_speaking
        self._interrupt = interrupt
        self._stop_phrases = frozenset(map(words_of, turns.stop_phrases))
        self._backoff = Backoff(retry_initial_s, retry_maximum_s)
        self._recognizer: RecognizerProcess | None = None
        self._behind = False
        self._microphone_is_on = False
        self._listening = False  # by the engine, also while the robot speaks
        self._sink: SpeechSink | None = None

    @property
    def ready(self) -> bool:
        """The engine is loaded: what the tap hears now is recognised."""
        return self._recognizer is not None

    @property
    def has_turns(self) -> bool:
        """What is said belongs to turns; else all that is said is recognised."""
        return self._turns.voice_activity != NONE

    @property
    def _muted(self) -> bool:
        """The robot itself speaks: what is understood meanwhile is its own voice."""
        return self._mixer.speaking

    async def run(self) -> None:
        """Recognise until cancelled; an engine that fails is started again."""
        stop = self._state.listen(self._on_state)
        self._on_state(self._state.snapshot)
        try:
            while True:
                try:
                    await self._recognise()
                except DeviceError as error:
                    if self._state.snapshot.fault(Device.HEARING) != str(error):
                        logger.error("Speech recognition does not work: %s", error)  # the text says it all
                    self._state.set_fault(Device.HEARING, str(error))
                await asyncio.sleep(self._backoff.next_delay())
        finally:
            stop()

    def _on_state(self, now: RobotSnapshot) -> None:
        if now.listening is not (self._listening and not self._muted):
            self._show()  # the robot has begun or ceased to speak
        # What may not be heard ends at once, not only when the device is closed.
        is_on = now.microphone_on and not now.microphone_privacy and now.microphone_enabled is not False
        closed, self._microphone_is_on = self._microphone_is_on and not is_on, is_on
        if closed and self._recognizer is not None:
            self._recognizer.switch_off()
            if self._sink is not None:
                self._sink.end(TurnEnd.SWITCHED_OFF)

    def is_stop_phrase(self, text: str) -> bool:
        """Whether the text that was understood silences the robot, and ends the conversation."""
        return words_of(text) in self._stop_phrases

    def set_speech_sink(self, sink: SpeechSink | None) -> None:
        """Set the receiver of the sound of what people say near the robot; of viewers only the text is handed on.

        Nothing comes unless the turns' options say so, nor from the moment when the microphone is switched off.
        """
        self._sink = sink

    def hear(self, samples: bytes, by: str) -> None:
        """Have the sound recognised that comes next."""
        if self._recognizer is None:
            return
        behind = not self._recognizer.hear(samples, by)
        if behind and not self._behind:
            logger.warning("Speech recognition is slower than speech: parts are dropped. Set hearing.phrases.")
        self._behind = behind

    def overhear(self, samples: bytes, heard_at: float) -> None:
        """Have a wake word, or a person, looked for in what the microphone hears while the robot speaks."""
        if self._recognizer is not None and (self._turns.wake_word != NONE or self._turns.interruptible):
            self._recognizer.overhear(samples, heard_at)

    def played(self, played: Played) -> None:
        """Tell what the loudspeaker plays: it is subtracted from what the microphone hears."""
        if self._recognizer is not None and self._turns.interruptible:
            self._recognizer.played(played)

    def forget(self) -> None:
        """Drop an unfinished utterance."""
        if self._recognizer is not None:
            self._recognizer.forget()
            self._show(listening=self._listening and self.has_turns)

    def expect_viewer(self) -> None:
        """Fall silent: a viewer begins to speak to the robot."""
        self._stop_speaking()

    def push_to_talk(self, seconds: float = TALK_S) -> None:
        """Fall silent, and wait for somebody to speak; no wake word is needed.

        Args:
            seconds: For how long. Without turns it has no effect: the robot always waits.
        """
        self._stop_speaking()
        self.expect_speech(seconds)

    def expect_speech(self, seconds: float) -> None:
        """Wait so many seconds for somebody to speak, from the end of what the robot says now."""
        if self._recognizer is not None:
            self._recognizer.push_to_talk(seconds)

    async def _recognise(self) -> None:
        try:
            async with running(self._engine, self._options, self._turns) as recognizer:
                async for message in recognizer.messages():
                    self._handle(message, recognizer)
        finally:
            self._recognizer = None
            if self._sink is not None:
                self._sink.end(TurnEnd.SWITCHED_OFF)  # an engine that has ended tells no more
            self._mixer.set_recognition(None)
            self._show(listening=False)

    def _show(self, *, listening: bool | None = None) -> None:
        """Show that the robot listens, unless it speaks; None: as before."""
        self._listening = self._listening if listening is None else listening
        shown = self._listening and not self._muted
        self._face.listen(listening=shown)
        self._state.update(listening=shown)

    def _handle(self, message: EngineMessage, recognizer: RecognizerProcess) -> None:
        match message:
            case Ready():
                self._recognizer = recognizer
                self._state.set_fault(Device.HEARING, "")
                self._mixer.set_recognition(self)
            case Listening(begun):
                self._show(listening=begun)
            case Utterance():
                self._backoff.reset()
                if not self._muted:
                    self._understood(message)
            case PartialUtterance(text):
                if not self._muted:
                    self._face.show_growing_text(f"\u201c{text} \u2026")
            case SpokenSound() | SpokenEnd() if self._sink is not None:
                self._hand_on(message, self._sink)
            case WakeWord(name):
                self._events.add(WAKE_WORD, f"The wake word {name} was heard.", device=name)
                self._stop_speaking()
            case StopWord(name):
                self._events.add(STOP_WORD, f"The stop word {name} was heard.", device=name)
                self._stop_speaking()
            case Interruption():
                self._interrupt()
            case TurnBegan():
                self._events.add(TURN, "A turn has begun: the robot listens.", details={"state": "began"})
            case TurnEnded(reason):
                self._events.add(TURN, _ENDINGS[reason], details={"state": "ended", "reason": str(reason)})

    def _hand_on(self, message: SpokenSound | SpokenEnd, sink: SpeechSink) -> None:
        may_be_heard = self._microphone_is_on and not self._muted
        match message:
            case SpokenSound(sound):
                if may_be_heard:
                    sink.hear(sound)
            case SpokenEnd(TurnEnd.HEARD):
                sink.end(TurnEnd.HEARD if may_be_heard else TurnEnd.INTERRUPTED)
            case SpokenEnd(reason):
                sink.end(reason)

    def _understood(self, said: Utterance) -> None:
        if self.is_stop_phrase(said.text):
            self._stop_speaking()
        self._face.show_text(f"\u201c{said.text}\u201d")
        known = {
            "confidence": None if said.confidence is None else round(said.confidence, 2),
            "language": said.language or self._options.language,
            "duration_s": None if said.seconds is None else round(said.seconds, 1),
        }
        details = {name: value for name, value in known.items() if value is not None}
        self._events.add(HEARD, said.text, by=said.by, details=details)
        self._send(AsrResponse(said.text, said.by))
