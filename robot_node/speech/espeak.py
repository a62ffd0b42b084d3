"""espeak-ng: speaks a hundred languages, offline, in milliseconds; one process for each chunk of text."""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

from robot_node.core.child_environment import child_environment
from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.waveform import Waveform

logger = logging.getLogger(__name__)

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,16}){0,3}")
"""Also keeps file names out of what espeak-ng takes for a voice."""

_CACHED_VOICES = 64
_READ_BYTES = 64 * 1024
_COMMAND = "espeak-ng"


class EspeakEngine:
    """Speech by the program ``espeak-ng``: a :class:`robot_node.speech.synthesis_engine.SpeechEngine`.

    Args:
        rate: Words per minute, 80 to 450.
        pitch: 0 to 99.
        program: Name or path of the program.
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
        timeout_s: float = 10.0,
        longest_s: float = 60.0,
    ) -> None:
        self._program = program
        self._options = ("-s", str(rate), "-p", str(pitch))
        self._timeout_s = timeout_s
        self._longest_s = longest_s
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
        status, sound, error_text = await self._run(voice, text)
        if status != 0 or not sound:
            raise DeviceError(f"espeak-ng failed: {error_text or f'exit status {status}'}.")
        return _waveform(sound)

    async def _voice(self, language: str) -> str:
        """Find the voice for a language: its own, or that of the language without its region."""
        if language in self._voices:
            return self._voices[language]
        if _LANGUAGE.fullmatch(language):
            for voice in dict.fromkeys((language.lower(), language.lower().partition("-")[0])):
                status, _, _ = await self._run(voice, "")
                if status == 0:
                    if len(self._voices) < _CACHED_VOICES:
                        self._voices[language] = voice
                    return voice
        raise SettingsError(
            f"espeak-ng has no voice for the language {language[:40]!r}.",
            remedy="Use a language tag such as en, de or zh; espeak-ng --voices lists them.",
        )

    async def _run(self, voice: str, text: str) -> tuple[int, bytes, str]:
        """Return exit status, WAV file and error text of espeak-ng for a text."""
        try:
            async with asyncio.timeout(self._timeout_s), self._process(voice) as process:
                return await _converse(process, text.encode(), self._longest_s)
        except TimeoutError as error:
            raise DeviceError(f"espeak-ng gave no speech within {self._timeout_s:g} s.") from error

    @contextlib.asynccontextmanager
    async def _process(self, voice: str) -> AsyncIterator[Process]:
        """Run espeak-ng; at the end of the block it is killed."""
        arguments = ("-v", voice, *self._options, "-b", "1", "--stdin", "--stdout")
        try:
            process = await asyncio.create_subprocess_exec(
                *(self._program, *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=_READ_BYTES,
                env=child_environment(),
            )
        except FileNotFoundError as error:
            raise DeviceError(
                "The speech program espeak-ng is missing.", remedy="Install it: sudo apt install espeak-ng."
            ) from error
        except OSError as error:
            raise DeviceError(f"The speech program {self._program} cannot be started: {error.strerror}.") from error
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())


async def _converse(process: Process, text: bytes, longest_s: float) -> tuple[int, bytes, str]:
    """Write the text to espeak-ng and read the sound, up to a limit."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # one that has no such voice does not read on
        process.stdin.write(text)
        await process.stdin.drain()
    process.stdin.close()
    sound = bytearray()
    while chunk := await process.stdout.read(_READ_BYTES):
        sound += chunk
        if len(sound) > longest_s * _WAV_RATE * 2:
            logger.warning("The speech of one chunk is longer than %g s and is cut.", longest_s)
            return 0, bytes(sound), ""
    error_text = (await process.stderr.read(_READ_BYTES)).decode(errors="replace").strip().partition("\n")[0]
    return await process.wait(), bytes(sound), error_text.rstrip(".")


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
