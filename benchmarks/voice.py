"""How soon a voice speaks: from a text to the sound of its first chunk, when the voice must be loaded and when it is.

``python -m benchmarks.voice`` prints one JSON line, of espeak-ng or of the engine, program and folder that are named.

* ``first_ms``: of the first text, which loads the voice.
* ``next_p50_ms``, ``next_p95_ms``: of the texts after it, each another one.
* ``cpu_s_per_s``: seconds of CPU for a second of speech, in the engine's processes that stay; null where none does.
* ``memory_mib``: what these take at the end.
* ``load``: of the machine, over the last minute, at the end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks._processes import processor_s, resident_mib
from benchmarks._report import BenchmarkError, command_line, percentile, print_result
from benchmarks._spoken_answers import SENTENCES
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.synthesis_engine import LoadingEngine, SpeechEngine, make_engine
from robot_node.speech.text_chunks import text_chunks

_OTHERS = (
    "If you like it, I can take a photo of the cat on the table now, or wait until it wakes up.",
    "Yes.",
    "The front door has been open for ten minutes, and it is raining.",
)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


async def measure(settings: VoiceSettings, *, quick: bool) -> Mapping[str, Any]:
    """Have sentences spoken and return the figures."""
    engine = make_engine(settings)
    if engine is None:
        raise BenchmarkError("No engine is named.")
    try:
        return {"benchmark": "voice", "engine": settings.engine, **await _measure(engine, settings, quick=quick)}
    finally:
        if isinstance(engine, LoadingEngine):
            await engine.close()


async def _measure(engine: SpeechEngine, settings: VoiceSettings, *, quick: bool) -> Mapping[str, Any]:
    async def spoken(text: str) -> tuple[float, float]:
        began = time.monotonic()
        speech = await engine.synthesize(text_chunks(text)[0].strip(), settings.language)
        return 1000 * (time.monotonic() - began), speech.seconds

    await engine.check(settings.language)
    first_ms, _ = await spoken("Hello.")
    processes = _children()
    before = sum(map(processor_s, processes))
    texts = (*SENTENCES, *_OTHERS)[: 2 if quick else None]
    times = [await spoken(text) for text in texts]
    used = sum(map(processor_s, processes)) - before
    waits = [wait for wait, _ in times]
    return {
        "first_ms": round(first_ms),
        "next_p50_ms": round(percentile(waits, 50)),
        "next_p95_ms": round(percentile(waits, 95)),
        "cpu_s_per_s": round(used / sum(seconds for _, seconds in times), 3) if processes else None,
        "memory_mib": round(sum(map(resident_mib, processes))),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Measure and print the result."""
    parser = command_line("benchmarks.voice", __doc__)
    parser.add_argument("--engine", default="espeak-ng", help="as voice.engine")
    parser.add_argument("--program", help="as voice.program")
    parser.add_argument("--voices", type=Path, help="as voice.voices")
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    arguments = parser.parse_args()
    settings = VoiceSettings(engine=arguments.engine, program=arguments.program, voices=arguments.voices)
    print_result(measure(settings, quick=arguments.quick))


if __name__ == "__main__":
    main()
