"""The interface of speech recognition engines, and how one is made by its name.

An engine runs in a process of its own, which imports nothing else of robot-node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from robot_node.core.engine_loading import load_engine

ENTRY_POINTS = "robot_node.recognition_engines"
"""Group of the entry points by which a package brings an engine: functions of :class:`RecognitionOptions`."""

_BUILT_IN, SHERPA = "pocketsphinx", "sherpa-onnx"


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What an engine is to recognise.

    Attributes:
        language: A language tag such as ``"en"`` (BCP 47).
        phrases: The phrases to recognise, word by word; without any, free text.
        model: Folder of the engine's model; empty for the one that it brings.
    """

    language: str = "en"
    phrases: tuple[str, ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What an engine understood.

    Attributes:
        text: The words; never empty.
        confidence: How sure the engine is, 0 to 1; None: it does not say.
        language: A language tag; empty: the one that it was made for.
        seconds: How long the utterance was; None: it is not known.
    """

    text: str
    confidence: float | None = None
    language: str = ""
    seconds: float | None = None


class Recognizer(Protocol):
    """Recognises speech. May block; used by one thread only."""

    @property
    def listening(self) -> bool:
        """Somebody is speaking now."""

    def hear(self, samples: bytes) -> str:
        """Take the sound that comes next.

        Args:
            samples: Signed 16 bit, machine byte order, 48 kHz, mono; usually 20 ms.

        Returns:
            The text of an utterance, once its end has been heard; empty before, and when nothing was understood.

        Raises:
            DeviceError: it failed.
        """

    def forget(self) -> None:
        """Drop an unfinished utterance: what comes next does not continue it."""


@runtime_checkable
class UtteranceRecognizer(Recognizer, Protocol):
    """A recogniser that also takes from outside where an utterance begins and ends; others find that out themselves."""

    def begin_utterance(self) -> None:
        """Begin an utterance: what :meth:`add` gets belongs to it."""

    def add(self, samples: bytes) -> None:
        """Take the sound that comes next, as for :meth:`Recognizer.hear`."""

    def end_utterance(self) -> Recognised | None:
        """End the utterance, and return what was understood; None for nothing."""


@runtime_checkable
class PartialRecognizer(UtteranceRecognizer, Protocol):
    """A recogniser that also says what it has understood of an utterance while it goes on."""

    def so_far(self) -> str:
        """What was understood since the utterance began; empty for nothing. Called often: it must be quick."""


@runtime_checkable
class PhraseRecognizer(UtteranceRecognizer, Protocol):
    """A recogniser that also knows when all of a phrase has been said: its end need not be waited for as long."""

    def whole_phrase(self) -> str:
        """The phrase that the utterance is so far; empty unless it is whole, certain, and the beginning of no other."""


def make_recognizer(engine: str, options: RecognitionOptions) -> Recognizer:
    """Make an engine by its name.

    Raises:
        SettingsError: there is no such engine, or it cannot do what the options ask for.
        DeviceError: its package is missing or does not work.
    """
    if engine == _BUILT_IN:
        from robot_node.speech.sphinx import SphinxRecognizer  # other engines need nothing of it

        return SphinxRecognizer(options)
    if engine == SHERPA:
        from robot_node.speech.sherpa import SherpaRecognizer

        return SherpaRecognizer(options)
    factory = load_engine(
        engine,
        group=ENTRY_POINTS,
        kind="speech recognition",
        built_in=f"{_BUILT_IN}, {SHERPA}",
        setting="hearing.engine",
    )
    recognizer: Recognizer = factory(options)
    return recognizer
