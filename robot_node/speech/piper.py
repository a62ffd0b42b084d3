"""piper: neural voices, offline; a program of the user's (GPL: never imported) that keeps a voice loaded."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.loaded_voices import LoadedVoices
from robot_node.speech.piper_program import PiperProgram
from robot_node.speech.piper_voices import PiperVoice, read_voices
from robot_node.speech.voice_choice import choose_voice, voice_for
from robot_node.speech.voice_process import VoiceProcess
from robot_node.speech.waveform import Waveform

_COMMAND = "piper"
_USUAL_RATE = 175
"""Words per minute at which a voice speaks as its author advises."""

_REMEDY = "Install it into a venv of its own (pip install piper-tts), and name it in voice.program."

_NONE: Mapping[str, str] = MappingProxyType({})
_HIGHEST_SAMPLE_RATE = 48_000
_CACHED_VOICES = 64


class PiperEngine:
    """Speech by the program ``piper``: a :class:`robot_node.speech.synthesis_engine.SpeechEngine`.

    Args:
        folder: Folder of the voices.
        voice: Name of the voice that is preferred for its language; any by default.
        by_language: Names of voices by language tag; these come first.
        rate: Words per minute, 80 to 450; 175 is the voice's usual speed.
        program: Name or path of the program.
        timeout_s: Seconds for the speech of one chunk to be synthesised, the loading of the voice included.
        longest_s: Seconds of speech of one chunk; what is longer is an error.
        unload_after_s: Seconds without a text after which a voice is not kept loaded; 0: it always is.
        memory_mb: Memory of a voice above which it is loaded again.
    """

    NAME = _COMMAND

    def __init__(
        self,
        *,
        folder: Path | None,
        voice: str | None = None,
        by_language: Mapping[str, str] = _NONE,
        rate: int = _USUAL_RATE,
        program: str = _COMMAND,
        timeout_s: float = 30.0,
        longest_s: float = 60.0,
        unload_after_s: float = 600.0,
        memory_mb: float = 500.0,
    ) -> None:
        if folder is None:
            raise SettingsError(
                "The speech engine piper has no folder of voices (voice.voices).",
                remedy="Name the folder with the voices' .onnx and .onnx.json files.",
            )
        self._folder = folder
        self._preferred = voice
        self._by_language = by_language
        self._slowness = _USUAL_RATE / rate
        self._program = program
        self._timeout_s = timeout_s
        self._longest_bytes = int(longest_s * _HIGHEST_SAMPLE_RATE * 2)
        self._unload_after_s = unload_after_s
        self._memory_bytes = int(memory_mb * 2**20)
        self._voices: dict[str, PiperVoice] = {}
        self._loaded = LoadedVoices()

    async def check(self, language: str) -> None:
        """Make sure that a text in this language can be spoken.

        Raises:
            DeviceError: piper is missing.
            SettingsError: there is no voice for this language.
        """
        await self._voice(language)
        if shutil.which(self._program) is None:
            raise DeviceError("The speech program piper is missing.", remedy=_REMEDY)

    async def synthesize(self, text: str, language: str) -> Waveform:
        """Synthesise speech, of limited length.

        Raises:
            DeviceError: piper is missing, or failed.
            SettingsError: there is no voice for this language.
        """
        return await (await self._process(language)).synthesize(text)

    async def prepare(self, language: str) -> None:
        """Load the voice for a language, if voices stay loaded.

        Raises:
            DeviceError: piper is missing.
            SettingsError: there is no voice for this language.
        """
        if self._unload_after_s == 0:
            await (await self._process(language)).load()

    async def close(self) -> None:
        """End piper."""
        await self._loaded.close()

    async def _process(self, language: str) -> VoiceProcess:
        voice = await self._voice(language)
        return await self._loaded.get(voice.name, lambda: self._make(voice))

    def _make(self, voice: PiperVoice) -> VoiceProcess:
        scale = f"{voice.length_scale * self._slowness:.3f}"
        program = PiperProgram(
            self._program, voice.model, length_scale=scale, missing=_REMEDY, longest_bytes=self._longest_bytes
        )
        return VoiceProcess(
            program,
            timeout_s=self._timeout_s,
            unload_after_s=self._unload_after_s,
            memory_bytes=self._memory_bytes,
        )

    async def _voice(self, language: str) -> PiperVoice:
        if language in self._voices:
            return self._voices[language]
        voices = await asyncio.to_thread(read_voices, self._folder)
        names = {voice.name: voice for voice in voices}
        named = voice_for(self._by_language, language)
        for name, setting in ((named, "voice.voice_by_language"), (self._preferred, "voice.voice")):
            if name is not None and name not in names:
                raise SettingsError(
                    f"There is no voice {name!r} that can be used in {self._folder} ({setting}).",
                    remedy="Put its .onnx and .onnx.json there; the log says what is wrong with those that are there.",
                )
        voice = names[named] if named is not None else choose_voice(voices, language, self._preferred)
        if voice is None:
            there = ", ".join(sorted({each.language for each in voices})[:20]) or "none"
            raise SettingsError(
                f"piper has no voice for the language {language[:40]!r}.",
                remedy=f"Put a voice for it into {self._folder}. Languages of the voices there: {there}.",
            )
        if len(self._voices) < _CACHED_VOICES:
            self._voices[language] = voice
        return voice
