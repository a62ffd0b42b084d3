"""A robot talks with a model behind a server: what people say goes there, its answers are spoken, tools called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.state import acting_for
from robot_node.errors import SettingsError
from robot_node.robot.realtime.backend import FAULT, RealtimeBackend
from robot_node.robot.realtime.budget import DailyBudget
from robot_node.settings.loading import load_settings
from robot_node.settings.realtime import RealtimeSettings
from tests.robot.realtime.stand_in import KEY, stand_in
from tests.speech.speaking_robot import SpeakingRobot, speaking_robot
from tests.waiting import eventually

LAMP = ("set_led", "Switch a light.", {"type": "object", "properties": {"name": {"type": "string"}}})


@dataclass
class Talker:
    """A robot that talks with a model.

    Attributes:
        robot: Its voice and its events.
        called: The tools that were called: name, arguments, and for whom.
        day: The day.
    """

    robot: SpeakingRobot
    called: list[tuple[str, Mapping[str, Any], str]] = field(default_factory=list)
    day: date = date(2026, 11, 29)

    def hears(self, text: str, kind: str = "heard") -> None:
        """Somebody says something near it."""
        self.robot.events.add(kind, text)

    @property
    def says(self) -> list[str]:
        return [
            event.text.removeprefix("The robot says: ")
            for event in self.robot.events.after()
            if event.text.startswith("The robot says: ")
        ]

    @property
    def fault(self) -> str:
        return self.robot.state.snapshot.fault(FAULT)


@contextlib.asynccontextmanager
async def talker(url: str, **settings: Any) -> AsyncIterator[Talker]:
    async with speaking_robot() as robot:
        it = Talker(robot)

        async def call_tool(name: str, arguments: Mapping[str, Any]) -> str:
            it.called.append((name, arguments, acting_for()))
            return "The lamp is lit."

        backend = RealtimeBackend(
            RealtimeSettings.model_validate({"url": url, "key": KEY, **settings}),
            robot.state,
            robot.events,
            robot.speaker,
            tools=[LAMP],
            call_tool=call_tool,
            today=lambda: it.day,
        )
        running = asyncio.create_task(backend.run(), name="realtime")
        await asyncio.sleep(0)  # it listens
        try:
            yield it
            assert not running.done()
        finally:
            await cancel_and_wait(running)


async def test_what_a_person_says_is_answered_by_the_robots_voice() -> None:
    async with stand_in("Good morning! It is nine o'clock.", "You are welcome.") as server, talker(server.url) as it:
        it.hears("what time is it")
        await eventually(lambda: len(it.says) == 2)
        assert it.says == ["Good morning!", "It is nine o'clock."]
        it.hears("thank you", kind="chat")
        await eventually(lambda: len(it.says) == 3)
        assert server.sessions == 1, "one conversation"
        assert [item["content"][0]["text"] for item in server.items("message")] == ["what time is it", "thank you"]
        assert not it.fault


async def test_the_model_calls_tools_as_the_client_of_the_settings() -> None:
    async with stand_in([("set_led", {"name": "lamp"})], "The light is on.") as server, talker(server.url) as it:
        it.hears("turn on the light")
        await eventually(lambda: it.says == ["The light is on."])
        assert it.called == [("set_led", {"name": "lamp"}, "realtime")]
        (output,) = server.items("function_call_output")
        assert output["output"] == "The lamp is lit."


async def test_a_person_who_interrupts_ends_the_answer() -> None:
    async with stand_in(None, "All right.") as server, talker(server.url) as it:
        it.hears("tell me a story")
        await eventually(lambda: it.robot.state.snapshot.speaking)
        it.robot.events.add("interrupted", "A person interrupted the robot.", details={"said": "Once upon"})
        await eventually(lambda: server.count("response.cancel") == 1)
        it.hears("thank you")
        await eventually(lambda: "All right." in it.says)
        system = [item for item in server.items("message") if item["role"] == "system"]
        assert "Once upon" in system[0]["content"][0]["text"]


async def test_a_wrong_key_is_a_fault_with_a_remedy_that_goes_when_it_works() -> None:
    async with stand_in("Hello.") as server, talker(server.url, key="another-key") as it:
        it.hears("hello")
        await eventually(lambda: "HTTP 401" in it.fault)
        assert "realtime.key" in it.fault
        assert KEY not in it.fault
    async with stand_in("Hello.", "Hello again.") as server, talker(server.url) as it:
        it.robot.state.set_fault(FAULT, "It could not be reached.")
        it.hears("hello")
        await eventually(lambda: it.says == ["Hello."])
        assert not it.fault


async def test_without_network_the_robot_says_why_and_tries_again_with_the_next_word() -> None:
    async with stand_in("Hello.") as server:
        url = server.url
    async with talker(url) as it:
        it.hears("hello")
        await eventually(lambda: "cannot be reached" in it.fault)
        it.hears("hello")
        await eventually(lambda: "cannot be reached" in it.fault)


async def test_a_server_that_goes_away_ends_the_conversation_and_the_next_word_begins_another() -> None:
    async with stand_in(None, "I am back.") as server, talker(server.url) as it:
        it.hears("tell me a story")
        await eventually(lambda: bool(it.says))
        assert server.connection is not None
        await server.connection.close(1011, "overloaded")
        await eventually(lambda: "overloaded" in it.fault)
        it.hears("hello")
        await eventually(lambda: "I am back." in it.says)
        assert server.sessions == 2


async def test_tokens_of_a_day_are_limited_and_tomorrow_there_are_more() -> None:
    async with stand_in("One.", "Two.", "Three.") as server, talker(server.url, tokens_per_day=100) as it:
        it.hears("count")
        await eventually(lambda: "tokens_per_day" in it.fault)
        await eventually(lambda: server.open == 0)
        it.hears("count")
        it.day = date(2026, 11, 30)
        it.hears("count")
        await eventually(lambda: server.sessions == 2)


def test_the_budget_of_a_day() -> None:
    today, tomorrow = date(2026, 1, 1), date(2026, 1, 2)
    budget = DailyBudget(1.0, 1000)
    assert not budget.exhausted(today)
    budget.spend(today, seconds=45, tokens=999)
    assert not budget.exhausted(today)
    assert budget.seconds_left(today) == 15
    budget.spend(today, seconds=15)
    assert "minutes" in budget.exhausted(today)
    assert not budget.exhausted(tomorrow)
    budget.spend(tomorrow, tokens=1000)
    assert "tokens" in budget.exhausted(tomorrow)


@pytest.mark.parametrize("url", ["http://x", "ws://example.org", "wss://", "wss://user:pw@x/", "wss://x/ y"])
def test_a_url_that_would_send_words_in_clear_or_nowhere_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"realtime.url"):
        load_settings(None, {"realtime": {"url": url}, "voice": {"engine": "espeak-ng"}})


def test_the_camera_is_for_the_model_only_where_its_owner_says_so() -> None:
    wanted = {"url": "wss://example.org/v1/realtime", "tools": ["take_photo", "set_led"]}
    with pytest.raises(SettingsError, match=r"need realtime.camera = true: take_photo"):
        load_settings(None, {"realtime": wanted, "voice": {"engine": "espeak-ng"}})
    load_settings(None, {"realtime": {**wanted, "camera": True}, "voice": {"engine": "espeak-ng"}})
    with pytest.raises(SettingsError, match="set voice"):
        load_settings(None, {"realtime": {"url": "wss://example.org/v1/realtime"}})
