"""Tries a voice of this machine, and says which settings choose it."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import wave
from array import array
from pathlib import Path

from robot_node.errors import SettingsError
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.synthesis_engine import LoadingEngine, make_engine
from robot_node.speech.text_chunks import LONGEST_TEXT, text_chunks
from robot_node.speech.voice_list import find_voice, list_voices
from robot_node.speech.waveform import Waveform

__all__ = ["list_voices", "settings_lines", "try_voice"]


async def settings_lines(settings: VoiceSettings, name: str) -> list[str]:
    """Return the lines of a settings file that choose a voice.

    Raises:
        SettingsError: there is no such voice.
    """
    chosen = (await find_voice(settings, name)).settings(settings)
    values = {"engine": chosen.engine, "language": chosen.language}
    if chosen.voice is not None:
        values |= {"voices": str(chosen.voices), "voice": chosen.voice}
    if chosen.program is not None:
        values["program"] = chosen.program
    # A JSON string is one of TOML.
    return ["[voice]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())]


async def try_voice(settings: VoiceSettings, name: str, text: str, file: Path) -> None:
    """Write a text as a voice says it to a WAV file.

    Raises:
        SettingsError: there is no such voice, the text is not one to be said, or the file cannot be written.
        DeviceError: the engine is missing, or failed.
    """
    chunks = text_chunks(text)
    if not chunks or len(text) > LONGEST_TEXT:
        raise SettingsError(f"Say a text of up to {LONGEST_TEXT} characters, among them letters or digits.")
    chosen = (await find_voice(settings, name)).settings(settings)
    engine = make_engine(chosen)
    assert engine is not None
    try:
        await engine.check(chosen.language)
        speech = [await engine.synthesize(chunk.strip(), chosen.language) for chunk in chunks]
    finally:
        if isinstance(engine, LoadingEngine):
            await engine.close()
    try:
        await asyncio.to_thread(file.write_bytes, _wav(speech))
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}.") from error


def _wav(speech: list[Waveform]) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(speech[0].rate)
        for each in speech:
            samples = array("h", each.samples)
            if sys.byteorder == "big":
                samples.byteswap()
            file.writeframes(samples.tobytes())
    return content.getvalue()
