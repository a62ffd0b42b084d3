"""piper: neural voices, offline; a program of the user's (GPL: never imported), run once for each chunk of text."""

from __future__ import annotations

import array
import asyncio
import sys
from pathlib import Path

from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.piper_voices import PiperVoice, choose_voice, read_voices
from robot_node.speech.synthesis_program import SynthesisProgram
from robot_node.speech.waveform import Waveform

_COMMAND = "piper"
_USUAL_RATE = 175
"""Words per minute at which a voice speaks as its author advises."""

_HIGHEST_SAMPLE_RATE = 48_000
_CACHED_VOICES = 64


class PiperEngine:
    """Speech by the program ``piper``: a :class:`robot_node.speech.synthesis_engine.SpeechEngine`.

    Args:
        folder: Folder of the voices.
        voice: Name of the voice that is preferred for its language; any by default.
        rate: Words per minute, 80 to 450; 175 is the voice's usual speed.
        program: Name or path of the program.
        timeout_s: Seconds for the speech of one chunk to be synthesised.
        longest_s: Seconds of speech of one chunk; what is longer is cut.
    """

    NAME = _COMMAND

    def __init__(
        self,
        *,
        folder: Path | None,
        voice: str | None = None,
        rate: int = _USUAL_RATE,
        program: str = _COMMAND,
        timeout_s: float = 30.0,
        longest_s: float = 60.0,
    ) -> None:
        if folder is None:
            raise SettingsError(
                "The speech engine piper has no folder of voices (voice.voices).",
                remedy="Name the folder with the voices' .onnx and .onnx.json files.",
            )
        self._folder = folder
        self._preferred = voice
        self._slowness = _USUAL_RATE / rate
        self._program = SynthesisProgram(
            self.NAME,
            program,
            remedy="Install it into a venv of its own (pip install piper-tts), and name it in voice.program.",
            timeout_s=timeout_s,
            longest_bytes=int(longest_s * _HIGHEST_SAMPLE_RATE * 2),
        )
        self._voices: dict[str, PiperVoice] = {}

    async def check(self, language: str) -> None:
        """Make sure that a text in this language can be spoken.

        Raises:
            DeviceError: piper is missing.
            SettingsError: there is no voice for this language.
        """
        await self._voice(language)
        self._program.find()

    async def synthesize(self, text: str, language: str) -> Waveform:
        """Synthesise speech, of limited length.

        Raises:
            DeviceError: piper is missing, or failed.
            SettingsError: there is no voice for this language.
        """
        voice = await self._voice(language)
        scale = f"{voice.length_scale * self._slowness:.3f}"
        # Underscores: understood by the old piper, which was no Python program, too.
        arguments = ("--model", str(voice.model), "--output_raw", "--length_scale", scale)
        output = await self._program.run(arguments, f"{text}\n")
        if output.status != 0 or not output.sound:
            raise DeviceError(f"piper failed: {_cause(output.status, output.errors)}.")
        samples = array.array("h", output.sound[: len(output.sound) // 2 * 2])
        if sys.byteorder == "big":
            samples.byteswap()
        return Waveform(samples.tobytes(), voice.rate)

    async def _voice(self, language: str) -> PiperVoice:
        if language in self._voices:
            return self._voices[language]
        voices = await asyncio.to_thread(read_voices, self._folder)
        if self._preferred and self._preferred not in {voice.name for voice in voices}:
            raise SettingsError(
                f"There is no voice {self._preferred!r} that can be used in {self._folder} (voice.voice).",
                remedy="Put its .onnx and .onnx.json there; the log says what is wrong with those that are there.",
            )
        voice = choose_voice(voices, language, self._preferred)
        if voice is None:
            there = ", ".join(sorted({each.language for each in voices})[:20]) or "none"
            raise SettingsError(
                f"piper has no voice for the language {language[:40]!r}.",
                remedy=f"Put a voice for it into {self._folder}. Languages of the voices there: {there}.",
            )
        if len(self._voices) < _CACHED_VOICES:
            self._voices[language] = voice
        return voice


def _cause(status: int, errors: tuple[str, ...]) -> str:
    """The last line: of a traceback, it is the one that says what happened."""
    return errors[-1].rstrip(".")[:300] if errors else f"exit status {status}"
