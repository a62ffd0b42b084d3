"""sherpa-onnx: neural voices of several kinds, offline, from a folder of the user's."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import re
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from robot_node.core.pip_hint import run_pip
from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.loaded_voices import LoadedVoices
from robot_node.speech.model_manifest import MANIFEST, VOICE, read_names
from robot_node.speech.voice_choice import choose_voice, voice_for
from robot_node.speech.voice_process import EndedError, VoiceProcess
from robot_node.speech.waveform import Waveform

logger = logging.getLogger(__name__)

_USUAL_RATE = 175
"""Words per minute at which a voice speaks as its author advises."""

_MOST_VOICES = 100
_LONGEST_BYTES = 60 * 48_000 * 2
_NONE: Mapping[str, str] = MappingProxyType({})
_SPEAKER = re.compile(r"(?P<name>.+):(?P<speaker>\d{1,5})")


@dataclass(frozen=True, slots=True)
class SherpaModel:
    """A model of a voice, which has not been checked yet.

    Attributes:
        name: Name of its folder.
        language: A language tag.
        title: For people.
        folder: Its folder.
    """

    name: str
    language: str
    title: str
    folder: Path


def read_models(folder: Path) -> tuple[SherpaModel, ...]:
    """Read the manifests of the models in a folder; those that cannot be used are logged and left out.

    Raises:
        SettingsError: the folder cannot be read.
    """
    try:
        folders = sorted(path for path in folder.iterdir() if (path / MANIFEST).exists())
    except OSError as error:
        raise SettingsError(
            f"The folder of voices {folder} cannot be read: {error.strerror} (voice.voices).",
            remedy="Make it, and put a folder with a model.toml into it for each voice.",
        ) from error
    models = []
    for each in folders[:_MOST_VOICES]:
        try:
            names = read_names(each, VOICE)
        except SettingsError as error:
            logger.warning("The voice %s cannot be used: %s", each.name, error.message)
        else:
            models.append(SherpaModel(each.name, names.language.replace("_", "-"), names.name, each))
    return tuple(models)


class SherpaEngine:
    """Speech by sherpa-onnx: a :class:`robot_node.speech.synthesis_engine.LoadingEngine`.

    Args:
        folder: Folder with a folder for each model.
        voice: Name of the model that is preferred for its language, with ``":3"`` for its speaker 3; any by default.
        by_language: Names of models by language tag, in the same way; these come first.
        rate: Words per minute, 80 to 450; 175 is the voice's usual speed.
        timeout_s: Seconds for the speech of one chunk to be synthesised, the loading of the voice included.
        unload_after_s: Seconds without a text after which a voice is not kept loaded; 0: it always is.
        memory_mb: Memory of a voice above which it is loaded again.
    """

    NAME = "sherpa-onnx"

    def __init__(
        self,
        *,
        folder: Path | None,
        voice: str | None = None,
        by_language: Mapping[str, str] = _NONE,
        rate: int = _USUAL_RATE,
        timeout_s: float = 60.0,
        unload_after_s: float = 600.0,
        memory_mb: float = 500.0,
    ) -> None:
        if folder is None:
            raise SettingsError(
                "The speech engine sherpa-onnx has no folder of voices (voice.voices).",
                remedy="Name the folder that has a folder with a model.toml for each voice.",
            )
        self._folder = folder
        self._voice = voice
        self._by_language = by_language
        self._speed = rate / _USUAL_RATE
        self._timeout_s = timeout_s
        self._unload_after_s = unload_after_s
        self._memory_bytes = int(memory_mb * 2**20)
        self._loaded = LoadedVoices()

    async def check(self, language: str) -> None:
        """Make sure that a text in this language can be spoken; the model is checked when it is loaded.

        Raises:
            DeviceError: sherpa-onnx is missing.
            SettingsError: there is no voice for this language.
        """
        if importlib.util.find_spec("sherpa_onnx") is None:
            raise DeviceError(
                "The package sherpa-onnx is missing.", remedy=f"Install it: {run_pip('install sherpa-onnx numpy')}"
            )
        await self._choose(language)

    async def synthesize(self, text: str, language: str) -> Waveform:
        """Synthesise speech, of limited length.

        Raises:
            DeviceError: sherpa-onnx is missing, or failed.
            SettingsError: there is no voice for this language, or its model is not the one in its manifest.
        """
        return await (await self._process(language)).synthesize(text)

    async def prepare(self, language: str) -> None:
        """Load the voice for a language, if voices stay loaded.

        Raises:
            DeviceError: its process cannot be started.
            SettingsError: there is no voice for this language.
        """
        if self._unload_after_s == 0:
            await (await self._process(language)).load()

    async def close(self) -> None:
        """End the processes of all voices."""
        await self._loaded.close()

    async def _process(self, language: str) -> VoiceProcess:
        model, speaker = await self._choose(language)
        return await self._loaded.get(
            f"{model.folder}:{speaker}",
            lambda: VoiceProcess(
                SherpaProgram(model.folder, speaker=speaker, speed=self._speed),
                timeout_s=self._timeout_s,
                unload_after_s=self._unload_after_s,
                memory_bytes=self._memory_bytes,
            ),
        )

    async def _choose(self, language: str) -> tuple[SherpaModel, int]:
        models = await asyncio.to_thread(read_models, self._folder)
        names = {model.name: model for model in models}
        named, named_speaker = _split(voice_for(self._by_language, language))
        preferred, speaker = _split(self._voice)
        for name, setting in ((named, "voice.voice_by_language"), (preferred, "voice.voice")):
            if name is not None and name not in names:
                raise SettingsError(
                    f"There is no voice {name!r} that can be used in {self._folder} ({setting}).",
                    remedy="Put its folder with a model.toml there; the log says what is wrong with those there.",
                )
        if named is not None:
            return names[named], named_speaker
        model = choose_voice(models, language, preferred)
        if model is None:
            there = ", ".join(sorted({each.language for each in models})[:20]) or "none"
            raise SettingsError(
                f"sherpa-onnx has no voice for the language {language[:40]!r}.",
                remedy=f"Put a voice for it into {self._folder}. Languages of the voices there: {there}.",
            )
        return model, speaker if model.name == preferred else 0


def _split(voice: str | None) -> tuple[str | None, int]:
    if voice is not None and (found := _SPEAKER.fullmatch(voice)) is not None:
        return found["name"], int(found["speaker"])
    return voice, 0


class SherpaProgram:
    """A :class:`robot_node.speech.voice_process.VoiceProgram`: :mod:`robot_node.speech.sherpa_child`.

    Args:
        folder: Folder of the model.
        speaker: Number of the speaker.
        speed: Above 1: faster than its author advises.
    """

    name = SherpaEngine.NAME
    missing = ""
    merged_output = False

    def __init__(self, folder: Path, *, speaker: int, speed: float) -> None:
        self._folder = folder
        self._speaker = speaker
        self._speed = speed

    def prepare(self) -> tuple[str, ...]:
        """Return the command."""
        return (sys.executable, "-m", "robot_node.speech.sherpa_child", str(self._folder))

    async def speak(self, process: Process, text: str) -> Waveform:
        """Have a text spoken.

        Raises:
            EndedError: the process ended.
            DeviceError: it failed.
            SettingsError: the model is not the one in its manifest.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        request = {"text": text, "speaker": self._speaker, "speed": self._speed}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the end of its output says so
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        if not (line := await process.stdout.readline()):
            raise EndedError
        header = json.loads(line)
        if "error" in header:
            kind = SettingsError if header["settings"] else DeviceError
            raise kind(header["error"], remedy=header["remedy"])
        if header["bytes"] > _LONGEST_BYTES:
            raise DeviceError("sherpa-onnx failed: the speech of one sentence is too long.")
        try:
            return Waveform(await process.stdout.readexactly(header["bytes"]), header["rate"])
        except asyncio.IncompleteReadError as error:
            raise EndedError from error

    def clean_up(self) -> None:
        """Nothing is left."""
