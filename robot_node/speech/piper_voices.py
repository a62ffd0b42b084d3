"""Voices of piper in a folder of the user's: for each a model ``NAME.onnx`` and its description ``NAME.onnx.json``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from robot_node.errors import SettingsError

logger = logging.getLogger(__name__)

_MOST_VOICES = 500
_MOST_BYTES = 1_000_000
"""Of a description; those of today have 5 to 20 kB."""


class _Audio(BaseModel):
    sample_rate: Annotated[int, Field(ge=8000, le=48_000)]


class _Inference(BaseModel):
    length_scale: Annotated[float, Field(gt=0, le=10)] = 1.0


class _Espeak(BaseModel):
    voice: Annotated[str, Field(min_length=1, max_length=64)]


class _Language(BaseModel):
    code: Annotated[str, Field(min_length=1, max_length=64)]


class _Description(BaseModel):
    """What is used here of ``NAME.onnx.json``; the language is missing in old ones."""

    audio: _Audio
    inference: _Inference = _Inference()
    language: _Language | None = None
    espeak: _Espeak | None = None

    @property
    def language_tag(self) -> str:
        """Empty when it says none."""
        code = self.language.code if self.language else self.espeak.voice if self.espeak else ""
        return code.replace("_", "-")


@dataclass(frozen=True, slots=True)
class PiperVoice:
    """A voice.

    Attributes:
        name: The model's file name without ``.onnx``.
        model: The model.
        language: A language tag such as ``"en-US"``.
        rate: Samples per second.
        length_scale: Relative duration that its author advises.
    """

    name: str
    model: Path
    language: str
    rate: int
    length_scale: float


def read_voices(folder: Path) -> tuple[PiperVoice, ...]:
    """Read the descriptions of the voices in a folder, by name; those that cannot be used are logged and left out.

    Raises:
        SettingsError: the folder cannot be read.
    """
    try:
        models = sorted(path for path in folder.iterdir() if path.suffix == ".onnx")
    except OSError as error:
        raise SettingsError(
            f"The folder of voices {folder} cannot be read: {error.strerror} (voice.voices).",
            remedy="Make it, and put a voice's .onnx and .onnx.json into it.",
        ) from error
    voices = (_read_voice(model) for model in models[:_MOST_VOICES])
    return tuple(voice for voice in voices if voice is not None)


def _read_voice(model: Path) -> PiperVoice | None:
    path = model.with_name(f"{model.name}.json")
    try:
        with path.open("rb") as file:
            description = _Description.model_validate_json(file.read(_MOST_BYTES))
    except OSError as error:
        logger.warning("The voice %s cannot be used: %s: %s", model.stem, path, error.strerror)
        return None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        logger.warning("The voice %s cannot be used: %s: %s %s", model.stem, path, where, first["msg"])
        return None
    if not description.language_tag:
        logger.warning("The voice %s cannot be used: %s says no language.", model.stem, path)
        return None
    return PiperVoice(
        model.stem, model, description.language_tag, description.audio.sample_rate, description.inference.length_scale
    )
