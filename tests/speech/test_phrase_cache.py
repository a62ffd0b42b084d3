"""What a robot says often is synthesised once, and what is kept is bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.events import EventLog
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.errors import DeviceError
from robot_node.settings.devices import DisplaySettings, VoiceSettings
from robot_node.settings.root import Settings
from robot_node.speech.factory import build_speech
from robot_node.speech.phrase_cache import PhraseCache
from robot_node.speech.waveform import Waveform
from tests.speech.piper_folder import add_voice, said, stand_in
from tests.waiting import eventually


class Counting:
    """An engine whose speech has 100 bytes for each character; it keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.works = True

    async def check(self, language: str) -> None:
        del language  # it speaks all
        if not self.works:
            raise DeviceError("It is broken.")

    async def synthesize(self, text: str, language: str) -> Waveform:
        await self.check(language)
        self.asked.append(f"{language} {text}")
        return Waveform(bytes(100 * len(text)), 22_050)


async def test_a_robot_that_says_it_again_synthesises_nothing(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    voice = VoiceSettings(engine="piper", program=stand_in(tmp_path), voices=tmp_path / "voices")
    pi, state, events = simulated_platform(), RobotState(), EventLog()
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    speaker = build_speech(Settings(voice=voice), face, state, events).speaker
    assert speaker is not None
    running = asyncio.create_task(speaker.run())
    for count in (1, 2):
        await speaker.say("Yes.")
        await eventually(lambda: spoken(events) == count and not state.snapshot.speaking)  # noqa: B023  # waited for
    await cancel_and_wait(running)
    assert said(tmp_path) == ["joe Yes."]


def spoken(events: EventLog) -> int:
    """How many texts it has begun to say."""
    return len([event for event in events.after() if event.kind == "speech"])


async def test_a_text_in_another_language_is_another_one() -> None:
    engine = Counting()
    cache = PhraseCache(engine)
    for language in ("en", "de", "en"):
        await cache.synthesize("Restaurant", language)
    assert engine.asked == ["en Restaurant", "de Restaurant"]


async def test_long_texts_are_not_kept() -> None:
    engine = Counting()
    cache = PhraseCache(engine)
    for length in (100, 100, 101, 101):
        await cache.synthesize("a" * length, "en")
    assert [len(asked) - 3 for asked in engine.asked] == [100, 101, 101]


@pytest.mark.parametrize(("most_texts", "most_bytes"), [(2, 1_000_000), (20, 250)])
async def test_what_was_not_used_for_longest_goes_first(most_texts: int, most_bytes: int) -> None:
    engine = Counting()
    cache = PhraseCache(engine, most_texts=most_texts, most_bytes=most_bytes)
    for text in "abaca":  # c takes the place of b
        await cache.synthesize(text, "en")
    assert engine.asked == ["en a", "en b", "en c"]
    await cache.synthesize("b", "en")
    assert engine.asked[3:] == ["en b"]


async def test_what_is_larger_than_all_room_drops_nothing() -> None:
    engine = Counting()
    cache = PhraseCache(engine, most_bytes=250)
    for text in ("a", "much", "a", "much"):
        await cache.synthesize(text, "en")
    assert engine.asked == ["en a", "en much", "en much"]


async def test_a_failure_is_not_kept() -> None:
    engine = Counting()
    cache = PhraseCache(engine)
    engine.works = False
    with pytest.raises(DeviceError):
        await cache.synthesize("Yes.", "en")
    engine.works = True
    assert (await cache.synthesize("Yes.", "en")).samples
    engine.works = False
    with pytest.raises(DeviceError):
        await cache.check("en")
