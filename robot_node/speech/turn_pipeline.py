"""From the microphone's sound to what was said in a turn: wake word, voice activity, recognition. May block."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from robot_node.core.media import Played
from robot_node.speech.decimation import BYTES_PER_S, Decimator, Interpolator
from robot_node.speech.endpointing import Edge, Endpointer
from robot_node.speech.interruption import InterruptionDetector
from robot_node.speech.recognition_engine import (
    PartialRecognizer,
    PhraseRecognizer,
    Recognised,
    Recognizer,
    UtteranceRecognizer,
)
from robot_node.speech.recognition_messages import (
    EngineMessage,
    Interruption,
    Listening,
    PartialUtterance,
    SpokenEnd,
    SpokenSound,
    StopWord,
    TurnBegan,
    TurnEnd,
    TurnEnded,
    Utterance,
    WakeWord,
)
from robot_node.speech.turn_options import NONE, TurnOptions
from robot_node.speech.turns import TurnEvent, Turns, TurnState, TurnTimes
from robot_node.speech.utterance_sound import UtteranceSound
from robot_node.speech.voice_activity import VoiceActivityDetector, make_voice_activity
from robot_node.speech.wake_words import WakeWordDetector, WakeWordOptions, make_wake_words
from robot_node.speech.words import words_of

_INPUT_BYTES_PER_S = 2 * 48_000
_PRE_ROLL_S = 0.5
"""Sound kept from before speech is detected: its beginning."""

_RECOGNISED_SILENCE_S = 0.3
"""Of the silence at the end, so much is recognised: the more silence, the less sure is an engine of the words."""

_PHRASE_SILENCE_S = 0.4
"""Silence that ends a turn when all of a phrase has been said: nobody thinks about how it goes on."""

_SILENCE = bytes(_INPUT_BYTES_PER_S)
"""After which an engine that finds the end of speech itself has found it."""

_ENDS = {
    TurnEvent.SPEECH_ENDS: TurnEnd.HEARD,
    TurnEvent.STOP: TurnEnd.STOPPED,
    TurnEvent.ROBOT_SPEAKS: TurnEnd.INTERRUPTED,
    TurnEvent.SWITCHED_OFF: TurnEnd.SWITCHED_OFF,
    TurnEvent.NOT_UNDERSTOOD: TurnEnd.SILENCE,
}


class TurnPipeline:
    """Hears the microphone of one robot. Used by one thread only.

    What it hears is dropped while nobody is to be recognised: only a wake word is looked for, and without one, speech.

    Args:
        recognizer: Recognises what is said.
        options: How turns begin and end.

    Raises:
        SettingsError: there is no such detector, or no such wake word.
        DeviceError: the package of a detector is missing, or does not work.
    """

    def __init__(self, recognizer: Recognizer, options: TurnOptions) -> None:
        self._recognizer = recognizer
        self._detector: VoiceActivityDetector = make_voice_activity(options.voice_activity)
        self._wake: WakeWordDetector | None = None
        if options.wake_word != NONE:
            words = (*options.wake_words, *options.stop_words)
            self._wake = make_wake_words(options.wake_word, WakeWordOptions(words, options.wake_threshold))
        self._stop_words = frozenset(Path(word).stem for word in options.stop_words)
        self._stop_phrases = frozenset(map(words_of, options.stop_phrases))
        self._decimator, self._interpolator = Decimator(), Interpolator()
        frame_s = self._detector.frame_samples * 2 / BYTES_PER_S
        self._endpointer = Endpointer(frame_s, threshold=options.speech_threshold, end_s=options.end_of_speech_s)
        self._turns = Turns(has_wake_word=self._wake is not None, times=TurnTimes(follow_up_s=options.follow_up_s))
        self._interruptions: InterruptionDetector | None = None
        if options.interruptible:
            another = make_voice_activity(options.voice_activity)
            self._interruptions = InterruptionDetector(another, options.speech_threshold)
        self._interrupted = False
        self._now = 0.0  # seconds of sound so far, without what was heard while the robot spoke
        self._rest = b""  # sound that does not fill the detector's frame yet
        self._pre_roll: deque[bytes] = deque()
        self._pre_roll_bytes = 0
        self._held: list[bytes] = []  # silence that is recognised when speech goes on
        self._heard: list[str] = []  # of an engine that finds the end of speech itself
        self._partial = recognizer if isinstance(recognizer, PartialRecognizer) else None
        self._so_far = ""  # the text of the last PartialUtterance
        self._phrases = recognizer if isinstance(recognizer, PhraseRecognizer) else None
        self._may_be_whole = True  # the silence that lasts has not been looked at yet
        self._gives_sound = options.sound
        self._sound: UtteranceSound | None = None  # of what somebody says now

    @property
    def in_turn(self) -> bool:
        """Somebody speaks, or is expected to."""
        return self._turns.in_turn

    def hear(self, samples: bytes) -> Iterator[EngineMessage]:
        """Take the microphone's sound that comes next: signed 16 bit, machine byte order, 48 kHz, mono."""
        self._interrupted = False
        self._now += len(samples) / _INPUT_BYTES_PER_S
        decimated = self._decimator.decimate(samples)
        yield from self._look_for_wake_word(decimated)
        if self._turns.state is not TurnState.ASLEEP:
            yield from self._listen(samples, decimated)
        if self._turns.is_over(self._now):
            yield from self._handle(TurnEvent.TIMEOUT)

    def overhear(self, samples: bytes, heard_at: float) -> Iterator[EngineMessage]:
        """Take the microphone's sound while the robot itself speaks: a word or a person may interrupt it.

        Args:
            samples: As for :meth:`hear`.
            heard_at: When the last of them was heard, by the clock of :meth:`played`.
        """
        decimated = self._decimator.decimate(samples)
        yield from self._look_for_wake_word(decimated)
        if self._interruptions is not None:
            yield from self._look_for_person(self._interruptions, decimated, heard_at)

    def played(self, played: Played) -> None:
        """Take what the loudspeaker plays."""
        if self._interruptions is not None:
            self._interruptions.played(played)

    def forget(self) -> Iterator[EngineMessage]:
        """Drop an unfinished utterance: the robot, or a viewer, speaks."""
        self._interrupted = False
        if self._interruptions is not None:
            self._interruptions.forget()
        yield from self._handle(TurnEvent.ROBOT_SPEAKS)

    def push_to_talk(self, wait_s: float) -> Iterator[EngineMessage]:
        """Begin a turn without a wake word, and wait so many seconds for speech."""
        yield from self._handle(TurnEvent.PUSH_TO_TALK, wait_s)

    def switch_off(self) -> Iterator[EngineMessage]:
        """End the turn: nothing will be heard for a while."""
        yield from self._handle(TurnEvent.SWITCHED_OFF)

    def _look_for_wake_word(self, decimated: bytes) -> Iterator[EngineMessage]:
        if self._wake is None or not (name := self._wake.hear(decimated)):
            return
        if name in self._stop_words:
            yield StopWord(name)
            yield from self._handle(TurnEvent.STOP)
        elif self._turns.state is TurnState.LISTENING:  # it is part of what is said
            return
        else:
            yield WakeWord(name)
            yield from self._handle(TurnEvent.WAKE_WORD)
        self._forget_speech()  # of the word itself

    def _look_for_person(
        self, interruptions: InterruptionDetector, decimated: bytes, heard_at: float
    ) -> Iterator[EngineMessage]:
        cleaned, person = interruptions.overhear(decimated, heard_at)
        if not cleaned:
            return
        sound = self._interpolator.interpolate(cleaned)
        if self._interrupted:  # what the person says goes on while the robot's last sound dies away
            self._now += len(cleaned) / BYTES_PER_S
            yield from self._listen(sound, cleaned)
            return
        self._keep(sound)
        if person:
            self._interrupted = True
            yield Interruption()
            yield from self._handle(TurnEvent.INTERRUPTION)
            self._endpointer.begin()

    def _listen(self, samples: bytes, decimated: bytes) -> Iterator[EngineMessage]:
        if self._turns.state is TurnState.LISTENING:
            self._held.append(samples)
        else:
            self._keep(samples)
        self._rest += decimated
        size = 2 * self._detector.frame_samples
        while len(self._rest) >= size:
            frame, self._rest = self._rest[:size], self._rest[size:]
            match self._endpointer.update(self._detector.probability(frame)):
                case Edge.BEGINS:
                    yield from self._handle(TurnEvent.SPEECH_BEGINS)
                case Edge.ENDS if self._turns.state is TurnState.LISTENING:
                    yield from self._end_utterance()
        if self._held and self._endpointer.silent_s <= _RECOGNISED_SILENCE_S:
            yield from self._take(b"".join(self._held))
            self._held.clear()
        if self._turns.state is TurnState.LISTENING and self._is_whole_phrase():
            self._endpointer.forget()
            yield from self._end_utterance()

    def _handle(self, event: TurnEvent, wait_s: float | None = None) -> Iterator[EngineMessage]:
        began: Iterator[EngineMessage] = iter(())
        before, was_in_turn = self._turns.state, self._turns.in_turn
        after = self._turns.handle(event, self._now, wait_s=wait_s)
        if after is TurnState.LISTENING and before is not TurnState.LISTENING:
            began = self._begin_utterance()
        elif before is TurnState.LISTENING and after is not TurnState.LISTENING:
            self._recognizer.forget()
            self._held.clear()
            yield from self._end_sound(event)
        if event is TurnEvent.ROBOT_SPEAKS or after is TurnState.ASLEEP or before is TurnState.ASLEEP:
            self._forget_speech()
        if self._turns.in_turn is not was_in_turn:
            if was_in_turn:
                yield Listening(begun=False)
                yield TurnEnded(_end(before, event))
            else:
                yield TurnBegan()
                yield Listening(begun=True)
        yield from began

    def _end_utterance(self) -> Iterator[EngineMessage]:
        found = self._recognised()
        if found is None and self._gives_sound:  # who gets the sound may understand more
            yield from self._handle(TurnEvent.SPEECH_ENDS)
            return
        if found is None:
            yield from self._handle(TurnEvent.NOT_UNDERSTOOD)
            return
        yield Utterance(found.text, "", found.confidence, found.language, found.seconds)
        is_stop = words_of(found.text) in self._stop_phrases
        yield from self._handle(TurnEvent.STOP if is_stop else TurnEvent.SPEECH_ENDS)

    def _is_whole_phrase(self) -> bool:
        """Whether what was said is a phrase, and nothing will follow: looked at once in each silence."""
        if self._endpointer.silent_s < _PHRASE_SILENCE_S:
            self._may_be_whole = True
            return False
        if self._phrases is None or not self._may_be_whole:
            return False
        self._may_be_whole = False
        phrase = self._phrases.whole_phrase()
        # Who gets the sound may get more than a phrase, but for one that ends the conversation.
        return bool(phrase) and (not self._gives_sound or words_of(phrase) in self._stop_phrases)

    # The recogniser.

    def _begin_utterance(self) -> Iterator[EngineMessage]:
        if isinstance(self._recognizer, UtteranceRecognizer):
            self._recognizer.begin_utterance()
        else:
            self._recognizer.forget()
        self._heard.clear()
        self._so_far = ""
        self._sound = UtteranceSound() if self._gives_sound else None
        before = b"".join(self._pre_roll)
        self._drop_pre_roll()
        return self._take(before)

    def _take(self, samples: bytes) -> Iterator[EngineMessage]:
        self._recognise(samples)
        if self._partial is not None and (text := self._partial.so_far()) and text != self._so_far:
            self._so_far = text
            yield PartialUtterance(text)
        if self._sound is not None:
            yield from map(SpokenSound, self._sound.add(samples))

    def _end_sound(self, event: TurnEvent) -> Iterator[EngineMessage]:
        sound, self._sound = self._sound, None
        if sound is not None:
            yield from map(SpokenSound, sound.rest())
            yield SpokenEnd(_end(TurnState.LISTENING, event))

    def _recognise(self, samples: bytes) -> None:
        if isinstance(self._recognizer, UtteranceRecognizer):
            self._recognizer.add(samples)
        elif text := self._recognizer.hear(samples):
            self._heard.append(text)

    def _recognised(self) -> Recognised | None:
        if isinstance(self._recognizer, UtteranceRecognizer):
            return self._recognizer.end_utterance()
        self._recognise(_SILENCE)
        return Recognised(" ".join(self._heard)) if self._heard else None

    # What was heard before.

    def _keep(self, samples: bytes) -> None:
        self._pre_roll.append(samples)
        self._pre_roll_bytes += len(samples)
        while self._pre_roll_bytes - len(self._pre_roll[0]) >= _PRE_ROLL_S * _INPUT_BYTES_PER_S:
            self._pre_roll_bytes -= len(self._pre_roll.popleft())

    def _drop_pre_roll(self) -> None:
        self._pre_roll.clear()
        self._pre_roll_bytes = 0

    def _forget_speech(self) -> None:
        self._drop_pre_roll()
        self._rest = b""
        self._detector.forget()
        self._endpointer.forget()


def _end(before: TurnState, event: TurnEvent) -> TurnEnd:
    too_long = event is TurnEvent.TIMEOUT and before is TurnState.LISTENING
    return TurnEnd.TOO_LONG if too_long else _ENDS.get(event, TurnEnd.SILENCE)
