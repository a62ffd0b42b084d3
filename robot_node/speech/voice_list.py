"""The voices of the engines that are found on this machine, and one of them by its name."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.espeak import EspeakEngine
from robot_node.speech.piper import PiperEngine
from robot_node.speech.piper_voices import read_voices
from robot_node.speech.sherpa_speech import SherpaEngine, read_models
from robot_node.speech.synthesis_program import SynthesisProgram

_ESPEAK_LINE = re.compile(r"\s*\d+\s+(?P<language>[\w-]+)\s+\S+\s+(?P<name>\S+)\s+\S+")
_TIMEOUT_S = 20.0
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice.

    Attributes:
        engine: Name of its engine in the settings.
        name: Unique among all voices.
        language: A language tag.
        title: For people.
    """

    engine: str
    name: str
    language: str
    title: str

    def settings(self, settings: VoiceSettings) -> VoiceSettings:
        """Return the settings with this voice, which also speaks texts without a language of their own."""
        # Without an engine, a program is meant for piper: espeak-ng is found by its name.
        engine = PiperEngine.NAME if settings.engine == "none" else settings.engine
        program = settings.program if engine == self.engine else None
        voice = None if self.engine == EspeakEngine.NAME else self.name
        changes = {"engine": self.engine, "language": self.language, "program": program, "voice": voice}
        return settings.model_copy(update=changes)


async def list_voices(settings: VoiceSettings) -> tuple[Voice, ...]:
    """List the voices of piper and sherpa-onnx, if there is a folder of them, then espeak-ng's, if it is installed.

    Raises:
        SettingsError: the folder of voices cannot be read.
    """
    neural: list[Voice] = []
    if settings.voices is not None:
        voices = await asyncio.to_thread(read_voices, settings.voices)
        neural += [Voice(PiperEngine.NAME, each.name, each.language, each.name) for each in voices]
        models = await asyncio.to_thread(read_models, settings.voices)
        neural += [Voice(SherpaEngine.NAME, each.name, each.language, each.title) for each in models]
    program = settings.program if settings.engine == EspeakEngine.NAME else None
    return (*neural, *await _espeak_voices(program or EspeakEngine.NAME))


async def _espeak_voices(name: str) -> tuple[Voice, ...]:
    program = SynthesisProgram(EspeakEngine.NAME, name, remedy="", timeout_s=_TIMEOUT_S, longest_bytes=_MOST_BYTES)
    try:
        program.find()
    except DeviceError:  # not installed
        return ()
    output = await program.run(("--voices",), "")
    lines = map(_ESPEAK_LINE.match, output.sound.decode(errors="replace").splitlines())
    voices = (
        Voice(EspeakEngine.NAME, line["language"], line["language"], line["name"].replace("_", " "))
        for line in lines
        if line is not None
    )
    return tuple({voice.name: voice for voice in voices}.values())


async def find_voice(settings: VoiceSettings, name: str) -> Voice:
    """Find a voice by its name.

    Raises:
        SettingsError: there is none.
    """
    for voice in await list_voices(settings):
        if voice.name == name:
            return voice
    raise SettingsError(f"There is no voice {name[:80]!r} here.", remedy="robot-node voices lists them.")
