"""piper as it is started to keep a voice loaded: for each line of its stdin it writes a WAV file, and prints its name.

Its raw output has no mark where the sound of a text ends, and its HTTP server needs packages that it does not bring.
Both piper 1, a Python program, and its predecessor in C++ work in this way.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import io
import resource
import sys
import wave
from array import array
from asyncio.subprocess import Process
from pathlib import Path

from robot_node.core.temporary_folder import TemporaryFolder
from robot_node.errors import DeviceError
from robot_node.speech.voice_process import EndedError
from robot_node.speech.waveform import Waveform

_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own in it
_PREFIX = "robot-node-piper-"
_LAST_LINES = 5


class PiperProgram:
    """A :class:`robot_node.speech.voice_process.VoiceProgram`.

    Args:
        program: Name or path.
        model: The voice's model.
        length_scale: Relative duration of speech.
        missing: What to do when the program is missing.
        longest_bytes: Of the sound of one text.
    """

    name = "piper"
    merged_output = True

    def __init__(self, program: str, model: Path, *, length_scale: str, missing: str, longest_bytes: int) -> None:
        self._program = program
        self._model = model
        self._length_scale = length_scale
        self._longest_bytes = longest_bytes
        self.missing = missing
        self._folder: TemporaryFolder | None = None

    def prepare(self) -> tuple[str, ...]:
        """Make the folder of the sound files: in memory where that is possible, as an SD card wears out."""
        try:
            self._folder = TemporaryFolder(_PREFIX, _MEMORY)
        except OSError:
            self._folder = TemporaryFolder(_PREFIX)
        folder = str(self._folder.path)
        # Underscores: understood by the old piper, which was no Python program, too.
        options = ("--model", str(self._model), "--output_dir", folder, "--length_scale", self._length_scale)
        return (self._program, *options)

    async def speak(self, process: Process, text: str) -> Waveform:
        """Write a line, wait for the name of a file, and read it.

        Raises:
            EndedError: piper ended.
            DeviceError: the file is no sound.
        """
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, or the service may not
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self._longest_bytes, self._longest_bytes))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the end of its output says so
            process.stdin.write(f"{text}\n".encode())
            await process.stdin.drain()
        file = await self._written(process)
        return await asyncio.to_thread(_read, file)

    def clean_up(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    async def _written(self, process: Process) -> Path:
        assert process.stdout is not None
        assert self._folder is not None
        prefix = f"{self._folder.path}/"
        printed: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        try:
            async for line in process.stdout:
                text = line.decode(errors="replace").strip()
                _, found, name = text.partition(prefix)
                if found and name.endswith(".wav") and "/" not in name:
                    return Path(f"{prefix}{name}")
                printed.append(text)
        except ValueError as error:  # a line of more than 64 KiB
            raise DeviceError("piper failed: it prints what cannot be read.") from error
        raise EndedError(next((line for line in reversed(printed) if line), ""))


def _read(file: Path) -> Waveform:
    """Read a sound file and remove it.

    Raises:
        DeviceError: it is no sound of 16 bits and one channel.
    """
    try:
        content = file.read_bytes()
        with wave.open(io.BytesIO(content)) as sound:
            form, rate = (sound.getnchannels(), sound.getsampwidth()), sound.getframerate()
            samples = array("h", sound.readframes(sound.getnframes())) if form == (1, 2) else None
    except (OSError, EOFError, ValueError, wave.Error) as error:
        raise DeviceError(f"piper failed: its sound cannot be read: {error}.") from error
    finally:
        file.unlink(missing_ok=True)
    if not samples:
        raise DeviceError("piper failed: it wrote no sound of one channel and 16 bits.")
    if sys.byteorder == "big":
        samples.byteswap()
    return Waveform(samples.tobytes(), rate)
