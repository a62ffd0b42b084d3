"""A program that keeps a voice loaded: what its start has made is removed, also when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from asyncio.subprocess import Process

from robot_node.speech.voice_process import VoiceProcess
from robot_node.speech.waveform import Waveform
from tests.waiting import DEADLINE_S, eventually


class SlowProgram:
    """A program whose preparation takes as long as the disk does."""

    name = "cat"
    missing = "It is part of every Linux."
    merged_output = True

    def __init__(self) -> None:
        self.disk_answers = threading.Event()
        self.begun = self.made = self.folders = 0

    def prepare(self) -> tuple[str, ...]:
        self.begun += 1
        self.disk_answers.wait(DEADLINE_S)
        self.folders += 1
        self.made += 1
        return ("cat",)

    async def speak(self, process: Process, text: str) -> Waveform:
        raise NotImplementedError

    def clean_up(self) -> None:
        self.folders = 0


async def given_up(process: VoiceProcess, program: SlowProgram) -> None:
    """Begin to load the voice, and be cancelled meanwhile."""
    loading = asyncio.create_task(process.load())
    await eventually(lambda: program.begun)
    loading.cancel()
    await asyncio.wait({loading})


async def test_the_next_start_goes_on_with_what_one_that_was_given_up_has_begun() -> None:
    program = SlowProgram()
    process = VoiceProcess(program, timeout_s=DEADLINE_S, memory_bytes=1 << 30)
    await given_up(process, program)
    again = asyncio.create_task(process.load())
    program.disk_answers.set()
    await again
    assert (program.begun, program.folders) == (1, 1)
    await process.close()
    assert program.folders == 0


async def test_what_a_start_makes_after_the_end_is_removed() -> None:
    program = SlowProgram()
    process = VoiceProcess(program, timeout_s=DEADLINE_S, memory_bytes=1 << 30)
    await given_up(process, program)
    await process.close()
    assert program.folders == 0
    program.disk_answers.set()
    await eventually(lambda: program.made and not program.folders)
