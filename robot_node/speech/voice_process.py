"""A program that keeps a voice loaded between texts: started at the first one, ended after a while without any."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import Protocol

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.child_environment import child_environment
from robot_node.errors import DeviceError
from robot_node.speech.waveform import Waveform

logger = logging.getLogger(__name__)

_CLOSING_S = 0.5
"""Seconds between the end of a program's output and its own end."""

_READ_BYTES = 64 * 1024
_PAGE_BYTES = resource.getpagesize()
_KILLED = -9


class EndedError(Exception):
    """The program ended instead of an answer.

    Args:
        last_words: What it printed last.
    """

    def __init__(self, last_words: str = "") -> None:
        super().__init__(last_words)
        self.last_words = last_words


class VoiceProgram(Protocol):
    """How a program is started with a voice, and what is written and read for a text. Used by one text at a time."""

    name: str
    """For messages."""

    missing: str
    """What to do when the program is missing."""

    merged_output: bool
    """What it prints to stderr is to be read from stdout; else it goes where the robot's goes."""

    def prepare(self) -> tuple[str, ...]:
        """Return program and arguments; called before each start."""

    async def speak(self, process: Process, text: str) -> Waveform:
        """Have a text spoken.

        Raises:
            EndedError: the program ended.
            DeviceError: it could not.
        """

    def clean_up(self) -> None:
        """Remove what :meth:`prepare` made; called after each end."""


class VoiceProcess:
    """One voice, loaded by a program. Used from the event loop only.

    Args:
        program: What is started.
        timeout_s: Seconds for the speech of one text, the loading of the voice included.
        unload_after_s: Seconds without a text after which the program is ended; 0: never.
        memory_bytes: Resident memory above which the program is started again after a text.
    """

    def __init__(
        self, program: VoiceProgram, *, timeout_s: float, unload_after_s: float = 0.0, memory_bytes: int
    ) -> None:
        self._program = program
        self._timeout_s = timeout_s
        self._unload_after_s = unload_after_s
        self._memory_bytes = memory_bytes
        self._turn = asyncio.Lock()
        self._preparing: asyncio.Future[tuple[str, ...]] | None = None
        self._process: Process | None = None
        self._unfinished: asyncio.Task[Waveform] | None = None
        self._idle: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Start the program, if it does not run.

        Raises:
            DeviceError: it cannot be started.
        """
        async with self._turn:
            await self._start()

    async def synthesize(self, text: str) -> Waveform:
        """Return the speech of a text.

        When cancelled, the program finishes that text, whose sound is dropped: to load the voice again takes longer.

        Raises:
            DeviceError: the program cannot be started, failed, ended or took too long; the next text starts it again.
        """
        async with self._turn:
            if self._unfinished is not None:  # it is bounded in time
                await asyncio.wait({self._unfinished})
            await self._cancel_idle()
            self._unfinished = asyncio.create_task(self._speak(text), name=f"{self._program.name} speaks")
            try:
                return await asyncio.shield(self._unfinished)
            except asyncio.CancelledError:
                self._unfinished.add_done_callback(_report_dropped)
                raise
            finally:
                if self._unfinished.done():
                    self._unfinished = None

    async def close(self) -> None:
        """End the program."""
        if self._unfinished is not None:
            await cancel_and_wait(self._unfinished)
            self._unfinished = None
        await self._cancel_idle()
        await self._end()
        if self._preparing is not None:
            self._preparing.add_done_callback(lambda _: self._program.clean_up())
            self._preparing = None

    async def _speak(self, text: str) -> Waveform:
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    speech = await self._program.speak(await self._start(), text)
            except TimeoutError as error:
                raise DeviceError(f"{self._program.name} gave no speech within {self._timeout_s:g} s.") from error
            except EndedError as error:
                raise await self._ended(error) from error
        except BaseException:  # also when cancelled: what comes next must not be taken for the next text's sound
            await asyncio.shield(self._end())
            raise
        if self._memory() > self._memory_bytes:
            logger.info("%s takes more than %d MB: loading again", self._program.name, self._memory_bytes // 2**20)
            await self._end()
            with contextlib.suppress(DeviceError):  # the next text reports it
                await self._start()
        if self._unload_after_s:
            self._idle = asyncio.create_task(self._unload(), name=f"{self._program.name} idle")
        return speech

    async def _start(self) -> Process:
        """Return the running program: a new one when it has ended by itself, for want of memory for example."""
        if self._process is not None and not _has_ended(self._process):
            return self._process
        if self._process is not None:
            await self._process.wait()
            logger.warning("%s ended with exit status %d; starting it", self._program.name, self._process.returncode)
            await self._end()
        if self._preparing is None:  # else a start that was given up has begun it
            self._preparing = asyncio.ensure_future(asyncio.to_thread(self._program.prepare))
        try:
            command = await asyncio.shield(self._preparing)
        finally:
            if self._preparing.done():
                self._preparing = None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT if self._program.merged_output else None,
                env=child_environment(),
            )
        except FileNotFoundError as error:
            self._program.clean_up()
            message = f"The speech program {self._program.name} is missing."
            raise DeviceError(message, remedy=self._program.missing) from error
        except OSError as error:
            self._program.clean_up()
            raise DeviceError(f"The speech program {command[0]} cannot be started: {error.strerror}.") from error
        except asyncio.CancelledError:
            self._program.clean_up()
            raise
        return self._process

    async def _ended(self, error: EndedError) -> DeviceError:
        assert self._process is not None
        try:
            async with asyncio.timeout(_CLOSING_S):
                status: int | None = await self._process.wait()
        except TimeoutError:  # it has closed its output and lives
            status = None
        name = self._program.name
        if status == _KILLED:
            return DeviceError(
                f"{name} was killed, as a rule because memory was short.",
                remedy="Use a smaller voice (quality low or x_low), or free memory. The next text starts it again.",
            )
        cause = error.last_words.rstrip(".")[:300] or f"exit status {status}"
        return DeviceError(f"{name} failed: {cause}.", remedy="The next text starts it again.")

    async def _unload(self) -> None:
        await asyncio.sleep(self._unload_after_s)
        logger.debug("%s is not needed: ending it", self._program.name)
        async with self._turn:
            self._idle = None
            await self._end()

    async def _cancel_idle(self) -> None:
        if self._idle is not None:
            idle, self._idle = self._idle, None
            await cancel_and_wait(idle)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        try:
            if not process.stdin.transport.is_closing():
                process.stdin.transport.abort()  # so that children of a program that is a script end too
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it has nothing to save
            await asyncio.shield(_finished(process))
        finally:
            self._program.clean_up()

    def _memory(self) -> int:
        if self._process is None:
            return 0
        try:
            return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):  # it has just ended
            return 0


def _has_ended(process: Process) -> bool:
    """The process has ended, which asyncio learns a moment later than the kernel."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # asyncio's thread has waited for it, and has not told the loop yet
        return True


async def _finished(process: Process) -> None:
    """Wait for the end of a killed process, and of its output: a pipe that is not read to its end stays open."""
    assert process.stdout is not None
    await process.wait()
    with contextlib.suppress(TimeoutError):  # a child of its own may have the pipe
        async with asyncio.timeout(_CLOSING_S):
            while await process.stdout.read(_READ_BYTES):
                pass


def _report_dropped(task: asyncio.Task[Waveform]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("A text that was stopped: %s", error)
