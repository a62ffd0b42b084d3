"""A voice of sherpa-onnx, from a model in a folder of the user's; runs in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.model_manifest import VOICE, SpeechModel, read_model
from robot_node.speech.optional_package import import_package
from robot_node.speech.phonemes import phonemes
from robot_node.speech.waveform import Waveform

_MOST_THREADS = 2
"""The camera's encoder needs cores too."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How sherpa-onnx loads a kind of model.

    Attributes:
        field: Its field of ``OfflineTtsModelConfig``.
        config: Name of the class of that field.
        parts: The files that it must have.
    """

    field: str
    config: str
    parts: frozenset[str]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "vits": Kind("vits", "OfflineTtsVitsModelConfig", frozenset({"model", "tokens"})),
        "matcha": Kind("matcha", "OfflineTtsMatchaModelConfig", frozenset({"acoustic_model", "vocoder", "tokens"})),
        "kokoro": Kind("kokoro", "OfflineTtsKokoroModelConfig", frozenset({"model", "voices", "tokens"})),
        "kitten": Kind("kitten", "OfflineTtsKittenModelConfig", frozenset({"model", "voices", "tokens"})),
    }
)
SEVERAL = ("lexicon", "rule_fsts", "rule_fars")
"""What a model may also have, of each one or several: parts whose names begin so."""


class SherpaVoice:
    """A loaded voice. Blocks; used by one thread only.

    Args:
        folder: Folder of the model.

    Raises:
        DeviceError: a package is missing, or the model cannot be loaded.
        SettingsError: the model is not the one in its manifest, or not of a kind that is known.
    """

    def __init__(self, folder: Path) -> None:
        self._library = import_package("sherpa-onnx", what="speech synthesis")
        self._np = import_package("numpy", what="speech synthesis")
        model = read_model(folder, VOICE)
        self._name, self._language = model.name, model.language
        self._needs_phonemes = not _several(model, "lexicon")
        self._network = _load(self._library, model)

    def speak(self, text: str, *, speaker: int, speed: float) -> Waveform:
        """Synthesise a sentence.

        Args:
            text: The sentence.
            speaker: Number of the speaker; 0 for the first or only one.
            speed: Above 1: faster than its author advises.

        Raises:
            DeviceError: it failed, or nothing of the text can be spoken.
            SettingsError: there is no such speaker.
        """
        speakers = max(1, self._network.num_speakers)
        if speaker >= speakers:
            raise SettingsError(
                f"The voice {self._name} has no speaker {speaker} (voice.voice).",
                remedy=f"It has {speakers}: 0 to {speakers - 1}.",
            )
        options = self._library.GenerationConfig()
        options.sid, options.speed = speaker, speed
        if self._needs_phonemes:
            signs = phonemes(text, self._language)
            options.phoneme_codepoints, text = [[ord(sign) for sign in signs]], ""
        try:
            sound = self._network.generate(text, options)
        except RuntimeError as error:
            raise DeviceError(f"sherpa-onnx failed: {error}.") from error
        if not sound.samples:
            raise DeviceError(f"The voice {self._name} can say nothing of this text.")
        np = self._np
        samples = np.rint(np.asarray(sound.samples, np.float32) * 32_767).clip(-32_768, 32_767).astype(np.int16)
        return Waveform(samples.tobytes(), sound.sample_rate)


def _load(library: Any, model: SpeechModel) -> Any:
    if (kind := KINDS.get(model.kind)) is None:
        raise SettingsError(
            f"There is no kind {model.kind!r} of voices (voice.voices).", remedy=f"There are: {', '.join(KINDS)}."
        )
    parts = {part for part in model.files if not part.startswith(SEVERAL)}
    if parts != kind.parts:
        raise SettingsError(
            f"The model {model.name} has the files {', '.join(sorted(model.files))} (voice.voices).",
            remedy=f"A {model.kind} model has: {', '.join(sorted(kind.parts))}; and it may have {', '.join(SEVERAL)}.",
        )
    files = {part: str(model.files[part]) for part in parts}
    config = library.OfflineTtsConfig(
        model=library.OfflineTtsModelConfig(
            **{kind.field: getattr(library, kind.config)(**files, lexicon=_several(model, "lexicon"))},
            num_threads=min(_MOST_THREADS, os.cpu_count() or 1),
        ),
        rule_fsts=_several(model, "rule_fsts"),
        rule_fars=_several(model, "rule_fars"),
    )
    failure = f"The model {model.name} cannot be loaded"
    if not config.validate():  # it has printed why
        raise DeviceError(f"{failure}: the log has the reason.")
    try:
        return library.OfflineTts(config)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(f"{failure}: {error}.") from error


def _several(model: SpeechModel, part: str) -> str:
    return ",".join(str(path) for name, path in sorted(model.files.items()) if name.startswith(part))
