"""espeak-ng: speaks a hundred languages, offline, in milliseconds; one process for each chunk of text."""

from __future__ import annotations

import array
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType

from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.synthesis_program import SynthesisProgram
from robot_node.speech.voice_choice import voice_for
from robot_node.speech.waveform import Waveform

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,16}){0,3}")
"""Also keeps file names out of what espeak-ng takes for a voice."""

_VOICE = re.compile(r"[A-Za-z0-9_-]+(\+[A-Za-z0-9_-]+)?")
_REMEDY = "espeak-ng --voices lists them; a variant comes behind a plus sign, such as de+f3."
_NONE: Mapping[str, str] = MappingProxyType({})

_CACHED_VOICES = 64
_COMMAND = "espeak-ng"

_PINYIN = "cmn-latn-pinyin"
_BETTER = {"zh": _PINYIN, "cmn": _PINYIN}
"""The voices of these names (of espeak-ng 1.51) read Chinese as English letters and numbers: "ni5 three"."""


def voice_names(language: str) -> tuple[str, ...]:
    """Return the names under which espeak-ng may have a language's voice, the best first: its own, then its base's."""
    tag = language.lower()
    base = tag.partition("-")[0]
    names = (_BETTER.get(tag), tag, _BETTER.get(base), base)
    return tuple(dict.fromkeys(name for name in names if name))


class EspeakEngine:
    """Speech by the program ``espeak-ng``: a :class:`robot_node.speech.synthesis_engine.SpeechEngine`.

    Args:
        rate: Words per minute, 80 to 450.
        pitch: 0 to 99.
        program: Name or path of the program.
        by_language: Names of its voices by language tag, such as ``"de+f3"``; these come first.
        timeout_s: Seconds for the speech of one chunk to be synthesised.
        longest_s: Seconds of speech of one chunk; what is longer is cut.
    """

    NAME = _COMMAND

    def __init__(
        self,
        *,
        rate: int = 175,
        pitch: int = 50,
        program: str = _COMMAND,
        by_language: Mapping[str, str] = _NONE,
        timeout_s: float = 10.0,
        longest_s: float = 60.0,
    ) -> None:
        self._program = SynthesisProgram(
            self.NAME,
            program,
            remedy="Install it: sudo apt install espeak-ng.",
            timeout_s=timeout_s,
            longest_bytes=int(longest_s * _WAV_RATE * 2),
        )
        self._options = ("-s", str(rate), "-p", str(pitch), "-b", "1", "--stdin", "--stdout")
        self._by_language = by_language
        self._voices: dict[str, str] = {}

    async def check(self, language: str) -> None:
        """Make sure that a text in this language can be spoken.

        Raises:
            DeviceError: espeak-ng is missing or does not work.
            SettingsError: it does not speak this language.
        """
        await self._voice(language)

    async def synthesize(self, text: str, language: str) -> Waveform:
        """Synthesise speech, of limited length.

        Raises:
            DeviceError: espeak-ng is missing, or failed.
            SettingsError: it does not speak this language.
        """
        voice = await self._voice(language)
        output = await self._program.run(("-v", voice, *self._options), text)
        if output.status != 0 or not output.sound:
            cause = output.errors[0].rstrip(".") if output.errors else f"exit status {output.status}"
            raise DeviceError(f"espeak-ng failed: {cause}.")
        return _waveform(output.sound)

    async def _voice(self, language: str) -> str:
        """Find the voice for a language: its own, or that of the language without its region."""
        if language in self._voices:
            return self._voices[language]
        named = voice_for(self._by_language, language)
        if named is not None and not _VOICE.fullmatch(named):
            raise SettingsError(f"{named!r} is no voice of espeak-ng (voice.voice_by_language).", remedy=_REMEDY)
        if _LANGUAGE.fullmatch(language):
            for voice in (named,) if named is not None else voice_names(language):
                output = await self._program.run(("-v", voice, *self._options), "")
                if output.status == 0:
                    if len(self._voices) < _CACHED_VOICES:
                        self._voices[language] = voice
                    return voice
        if named is not None:
            raise SettingsError(f"espeak-ng has no voice {named!r} (voice.voice_by_language).", remedy=_REMEDY)
        raise SettingsError(
            f"espeak-ng has no voice for the language {language[:40]!r}.",
            remedy="Use a language tag such as en, de or zh; espeak-ng --voices lists them.",
        )


_WAV_RATE = 22_050
_WAV_HEADER_BYTES = 44
_WAV_RATE_AT = 24


def _waveform(wav: bytes) -> Waveform:
    """Read what espeak-ng wrote: a header whose lengths mean nothing, because it was written first, and samples.

    Raises:
        DeviceError: it is no WAV file.
    """
    if wav[:4] != b"RIFF" or wav[36:40] != b"data":
        raise DeviceError("espeak-ng failed: what it wrote is no WAV file.")
    samples = array.array("h", wav[_WAV_HEADER_BYTES : len(wav) - len(wav) % 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return Waveform(samples.tobytes(), int.from_bytes(wav[_WAV_RATE_AT : _WAV_RATE_AT + 4], "little"))
