"""microWakeWord by the package pymicro-wakeword, which brings models of a few words: made for microcontrollers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robot_node.errors import SettingsError
from robot_node.speech.optional_package import import_package
from robot_node.speech.wake_words import WakeWordOptions


class MicroWakeWords:
    """A :class:`robot_node.speech.wake_words.WakeWordDetector`; a four-hundredth of a core of a PC for each word.

    Args:
        options: Words are names of the package's, or paths of a model's JSON file, next to its ``.tflite``.

    Raises:
        DeviceError: the package is missing, or does not work.
        SettingsError: there is no such word, or its model cannot be loaded.
    """

    def __init__(self, options: WakeWordOptions) -> None:
        package = import_package("pymicro-wakeword", what="wake word detection")
        self._threshold = options.threshold
        self._features: Any = package.MicroWakeWordFeatures()
        self._words: dict[str, Any] = {Path(word).stem: _load(package, word) for word in options.words}

    def hear(self, samples: bytes) -> str:
        """Return the wake word whose end is in this sound; empty when there is none."""
        heard = ""
        for features in self._features.process_streaming(samples):
            for name, word in self._words.items():
                probability = word.process_streaming_prob(features) or 0.0
                threshold = word.probability_cutoff if self._threshold is None else self._threshold
                if probability > threshold:
                    heard = heard or name
        if heard:
            self.forget()
        return heard

    def forget(self) -> None:
        """Forget the sound so far."""
        self._features.reset()
        for word in self._words.values():
            word.reset()


def _load(library: Any, word: str) -> Any:
    brought = [model.value for model in library.Model]
    try:
        if word in brought:
            return library.MicroWakeWord.from_builtin(library.Model(word))
        if Path(word).suffix == ".json":
            return library.MicroWakeWord.from_config(word)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise SettingsError(f"The wake word {word} cannot be loaded: {error} (hearing.wake_words).") from error
    raise SettingsError(
        f"There is no wake word {word!r} (hearing.wake_words).",
        remedy=f"There are: {', '.join(brought)}, and paths of a microWakeWord model's .json file.",
    )
