"""sherpa-onnx: offline speech recognition by modern networks, with a model from a folder of the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from robot_node.core.pip_hint import run_pip
from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.decimation import RATE, Decimator
from robot_node.speech.model_manifest import SpeechModel, read_model
from robot_node.speech.optional_package import import_package
from robot_node.speech.recognition_engine import Recognised, RecognitionOptions, UtteranceRecognizer
from robot_node.speech.recognition_messages import Utterance
from robot_node.speech.sherpa_kinds import KINDS
from robot_node.speech.sherpa_streaming import StreamedUtterances
from robot_node.speech.turn_options import TurnOptions
from robot_node.speech.turn_pipeline import TurnPipeline
from robot_node.speech.words import without_loops, words_of


class SherpaRecognizer:
    """A :class:`robot_node.speech.recognition_engine.UtteranceRecognizer`.

    An utterance is decoded at its end; with a model that streams, while it is heard: then this is also a
    :class:`robot_node.speech.recognition_engine.PartialRecognizer`.

    Args:
        options: The model's folder; with phrases, only what is one of them counts.

    Raises:
        DeviceError: a package is missing, or the model cannot be loaded.
        SettingsError: no model is named, it is not the one in its manifest, or not of a kind that is known.
    """

    def __init__(self, options: RecognitionOptions) -> None:
        if not options.model:
            raise SettingsError("sherpa-onnx needs a model (hearing.model).", remedy="Name the folder of one.")
        library = import_package("sherpa-onnx", what="speech recognition")
        np = import_package("numpy", what="speech recognition")
        model = read_model(Path(options.model))
        network, meaning = _load(library, model, options.language), _Meaning(model, options)
        self._utterances: UtteranceRecognizer
        if KINDS[model.kind].streams:
            self._utterances = streamed = StreamedUtterances(network, np, meaning.of)
            if not options.phrases:  # what is no phrase yet may become one
                self.so_far = streamed.so_far
        else:
            self._utterances = _Utterances(network, np, meaning.of)
        self._finder = TurnPipeline(self._utterances, TurnOptions(voice_activity="silero"))
        self.begin_utterance = self._utterances.begin_utterance
        self.add = self._utterances.add
        self.end_utterance = self._utterances.end_utterance

    @property
    def listening(self) -> bool:
        """Somebody is speaking now, in what :meth:`hear` gets."""
        return self._finder.in_turn

    def hear(self, samples: bytes) -> str:
        """Take the sound that comes next; return the text of an utterance once its end has been heard."""
        return " ".join(message.text for message in self._finder.hear(samples) if isinstance(message, Utterance))

    def forget(self) -> None:
        """Drop an unfinished utterance."""
        for _ in self._finder.forget():
            pass
        self._utterances.forget()


class _Meaning:
    """What a text of the network is to the robot."""

    def __init__(self, model: SpeechModel, options: RecognitionOptions) -> None:
        self._language = model.language
        self._may_loop = KINDS[model.kind].may_loop
        self._phrases = {words_of(phrase): phrase for phrase in options.phrases}

    def of(self, text: str, seconds: float) -> Recognised | None:
        if self._may_loop:
            text = without_loops(text)
        if not (words := words_of(text)):  # models write notes and brackets for music and noise
            return None
        if self._phrases:
            text = self._phrases.get(words, "")
        return Recognised(text, language=self._language, seconds=seconds) if text else None


class _Utterances:
    """Decodes utterances at their end; others find beginning and end."""

    listening = False

    def __init__(self, network: Any, np: Any, finish: Callable[[str, float], Recognised | None]) -> None:
        self._network, self._np, self._finish = network, np, finish
        self._decimator = Decimator()
        self._sound = bytearray()

    def begin_utterance(self) -> None:
        self._sound.clear()
        self._decimator = Decimator()

    def add(self, samples: bytes) -> None:
        self._sound += self._decimator.decimate(samples)

    def end_utterance(self) -> Recognised | None:
        sound = self._np.frombuffer(bytes(self._sound), self._np.int16).astype(self._np.float32) / 32_768
        self._sound.clear()
        if not len(sound):
            return None
        stream = self._network.create_stream()
        stream.accept_waveform(RATE, sound)
        self._network.decode_stream(stream)
        return self._finish(" ".join(stream.result.text.split()), len(sound) / RATE)

    def hear(self, samples: bytes) -> str:
        self.add(samples)
        return ""

    def forget(self) -> None:
        self._sound.clear()


def _load(library: Any, model: SpeechModel, language: str) -> Any:
    if model.kind not in KINDS:
        raise SettingsError(
            f"There is no kind {model.kind!r} of models (hearing.model).", remedy=f"There are: {', '.join(KINDS)}."
        )
    kind = KINDS[model.kind]
    if model.files.keys() != kind.parts:
        raise SettingsError(
            f"The model {model.name} has the files {', '.join(sorted(model.files))} (hearing.model).",
            remedy=f"A {model.kind} model has: {', '.join(sorted(kind.parts))}.",
        )
    files = {part: str(path) for part, path in model.files.items()}
    spoken = {"language": language.partition("-")[0]} if kind.languages else {}
    recognizers = library.OnlineRecognizer if kind.streams else library.OfflineRecognizer
    if (method := getattr(recognizers, kind.method, None)) is None:
        raise DeviceError(
            f"This version of sherpa-onnx loads no models of the kind {model.kind}.",
            remedy=f"Install another one: {run_pip('install --upgrade sherpa-onnx')}",
        )
    try:
        return method(**files, **kind.arguments, **spoken)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(f"The model {model.name} cannot be loaded: {error}.") from error
