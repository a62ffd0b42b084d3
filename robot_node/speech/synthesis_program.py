"""Runs a program that reads a text and writes speech: one process for each text, bounded in time and length."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass

from robot_node.core.child_environment import child_environment
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """What a program left.

    Attributes:
        status: Its exit status; 0 if its sound was cut.
        sound: What it wrote to stdout.
        errors: The lines that it wrote to stderr.
    """

    status: int
    sound: bytes
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SynthesisProgram:
    """A program that synthesises speech.

    Attributes:
        name: For messages.
        program: Name or path.
        remedy: What to do when it is missing.
        timeout_s: Seconds for one text.
        longest_bytes: Of the sound of one text; what is longer is cut.
    """

    name: str
    program: str
    remedy: str
    timeout_s: float
    longest_bytes: int

    def find(self) -> str:
        """Return its path.

        Raises:
            DeviceError: it is missing.
        """
        if (path := shutil.which(self.program)) is None:
            raise DeviceError(f"The speech program {self.name} is missing.", remedy=self.remedy)
        return path

    async def run(self, arguments: tuple[str, ...], text: str) -> ProgramOutput:
        """Run it for a text on its stdin. When cancelled, it is killed.

        Raises:
            DeviceError: it is missing, or takes too long.
        """
        try:
            async with asyncio.timeout(self.timeout_s), self._process(arguments) as process:
                return await self._converse(process, text.encode())
        except TimeoutError as error:
            raise DeviceError(f"{self.name} gave no speech within {self.timeout_s:g} s.") from error

    @contextlib.asynccontextmanager
    async def _process(self, arguments: tuple[str, ...]) -> AsyncIterator[Process]:
        """Start the program; at the end of the block it is killed."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(self.program, *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=_READ_BYTES,
                env=child_environment(),
            )
        except FileNotFoundError as error:
            raise DeviceError(f"The speech program {self.name} is missing.", remedy=self.remedy) from error
        except OSError as error:
            raise DeviceError(f"The speech program {self.program} cannot be started: {error.strerror}.") from error
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())

    async def _converse(self, process: Process, text: bytes) -> ProgramOutput:
        """Write the text and read the sound, up to a limit."""
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
            if len(sound) > self.longest_bytes:
                logger.warning("The speech of one chunk is too long and is cut.")
                return ProgramOutput(0, bytes(sound), ())
        errors = (await process.stderr.read(_READ_BYTES)).decode(errors="replace").strip().splitlines()
        return ProgramOutput(await process.wait(), bytes(sound), tuple(errors))
