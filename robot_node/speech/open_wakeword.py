"""openWakeWord by the package pyopen-wakeword, which brings models of a few words; users train their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robot_node.errors import SettingsError
from robot_node.speech.optional_package import import_package
from robot_node.speech.wake_words import WakeWordOptions

_CHUNK_BYTES = 2 * 1280
"""80 ms: what its models look at. The package moves ten seconds of sound for each piece that it is given."""

_THRESHOLD = 0.5
"""What openWakeWord's author advises."""


class OpenWakeWords:
    """A :class:`robot_node.speech.wake_words.WakeWordDetector`; a tenth of a core of a PC, whatever the words.

    Args:
        options: Words are names of the package's, or paths of ``.tflite`` files.

    Raises:
        DeviceError: the package is missing, or does not work.
        SettingsError: there is no such word, or its model cannot be loaded.
    """

    def __init__(self, options: WakeWordOptions) -> None:
        package = import_package("pyopen-wakeword", what="wake word detection")
        self._threshold = _THRESHOLD if options.threshold is None else options.threshold
        self._features: Any = package.OpenWakeWordFeatures.from_builtin()
        self._rest = b""
        self._words: dict[str, Any] = {Path(word).stem: _load(package, word) for word in options.words}

    def hear(self, samples: bytes) -> str:
        """Return the wake word whose end is in this sound; empty when there is none."""
        self._rest += samples
        heard = ""
        while len(self._rest) >= _CHUNK_BYTES:
            chunk, self._rest = self._rest[:_CHUNK_BYTES], self._rest[_CHUNK_BYTES:]
            for features in self._features.process_streaming(chunk):
                for name, word in self._words.items():
                    if max(word.process_streaming(features), default=0.0) > self._threshold:
                        heard = heard or name
        if heard:
            self.forget()
        return heard

    def forget(self) -> None:
        """Forget the sound so far."""
        # Not the features: they would be made of eight seconds of silence, which takes half a second.
        for word in self._words.values():
            word.reset()


def _load(library: Any, word: str) -> Any:
    brought = [model.value for model in library.Model]
    if word in brought:
        return library.OpenWakeWord.from_builtin(library.Model(word))
    if Path(word).suffix != ".tflite":
        raise SettingsError(
            f"There is no wake word {word!r} (hearing.wake_words).",
            remedy=f"There are: {', '.join(brought)}, and paths of an openWakeWord model's .tflite file.",
        )
    if not Path(word).is_file():  # the library would crash the process
        raise SettingsError(f"There is no file {word} (hearing.wake_words).")
    return library.OpenWakeWord.from_model(word)
