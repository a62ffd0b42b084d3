"""The robot's side of the engine's process: sound goes in, recognised text comes out."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass

from robot_node.core.child_environment import child_environment
from robot_node.core.media import SAMPLE_RATE
from robot_node.errors import DeviceError
from robot_node.speech.recognition_child import HEADER
from robot_node.speech.recognition_engine import RecognitionOptions

_BACKLOG_BYTES = 5 * SAMPLE_RATE * 2
"""Sound that may wait to be recognised: a text that comes much later answers nothing."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is loaded."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Somebody began or ceased to speak."""

    begun: bool


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something was understood.

    Attributes:
        text: The recognised text.
        by: The speaker: the ``by`` of the sound in which the utterance began.
    """

    text: str
    by: str


EngineMessage = Ready | Listening | Utterance


class RecognizerProcess:
    """A running engine. Used from the event loop only.

    Args:
        process: The process, with pipes at stdin and stdout.
    """

    def __init__(self, process: Process) -> None:
        self._process = process

    def hear(self, samples: bytes, by: str = "") -> bool:
        """Have the sound recognised that comes next; False when it is dropped, because too much waits.

        Args:
            samples: See :meth:`robot_node.speech.recognition_engine.Recognizer.hear`.
            by: The speaker; at most 64 KiB.
        """
        stdin = self._process.stdin
        if stdin is not None and stdin.transport.get_write_buffer_size() > _BACKLOG_BYTES:
            return False
        name = by.encode()
        self._write(HEADER.pack(len(samples), len(name)) + name + samples)
        return True

    def forget(self) -> None:
        """Drop an unfinished utterance."""
        self._write(HEADER.pack(0, 0))

    async def messages(self) -> AsyncIterator[EngineMessage]:
        """Yield the engine's messages until the block is left.

        Raises:
            DeviceError: it cannot work, or has ended.
        """
        assert self._process.stdout is not None  # for mypy: it is a pipe
        async for line in self._process.stdout:
            match json.loads(line):
                case {"error": str(error), "remedy": str(remedy)}:
                    raise DeviceError(error, remedy=remedy)
                case {"ready": True}:
                    yield Ready()
                case {"listening": bool(begun)}:
                    yield Listening(begun)
                case {"text": str(text), "by": str(by)}:
                    yield Utterance(text, by)
        status = await self._process.wait()
        raise DeviceError(f"The speech recognition has ended (exit status {status}).")

    def _write(self, message: bytes) -> None:
        if (stdin := self._process.stdin) is not None and not stdin.is_closing():
            stdin.write(message)


@contextlib.asynccontextmanager
async def running(engine: str, options: RecognitionOptions) -> AsyncIterator[RecognizerProcess]:
    """Run an engine in a process of its own, which is killed at the end of the block.

    Args:
        engine: Name of the engine.
        options: What it is to recognise.

    Raises:
        DeviceError: the process cannot be started.
    """
    arguments = ("-m", "robot_node.speech.recognition_child", engine, json.dumps(dataclasses.asdict(options)))
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments), stdin=PIPE, stdout=PIPE, env=child_environment()
        )
    except OSError as error:
        raise DeviceError(f"The speech recognition cannot be started: {error.strerror}.") from error
    try:
        yield RecognizerProcess(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
