"""A robot that talks with a model behind a stand-in: its real voice, face and questions over simulated hardware."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.questions import Pending, Questions, Way
from robot_node.core.state import acting_for
from robot_node.robot.asking import Asking
from robot_node.robot.realtime.backend import FAULT, RealtimeBackend
from robot_node.settings.realtime import RealtimeSettings
from robot_node.speech.turn_claims import TurnClaims
from tests.robot.realtime.stand_in import KEY
from tests.speech.speaking_robot import SpeakingRobot, speaking_robot

LAMP = ("set_led", "Switch a light.", {"type": "object", "properties": {"name": {"type": "string"}}})

STOP_PHRASE = "be quiet"


@dataclass
class Talker:
    """A robot that talks with a model.

    Attributes:
        robot: Its voice and its events.
        backend: Talks with the model.
        questions: What people are asked.
        claims: Agents that listen.
        called: The tools that were called: name, arguments, and for whom.
        day: The day.
    """

    robot: SpeakingRobot
    backend: RealtimeBackend
    questions: Questions
    claims: TurnClaims
    called: list[tuple[str, Mapping[str, Any], str]] = field(default_factory=list)
    day: date = date(2026, 11, 29)

    def hears(self, text: str, kind: str = "heard") -> None:
        """Somebody says something near it."""
        self.robot.events.add(kind, text)

    def asks(self, text: str, *choices: str) -> Pending:
        """An agent asks the people around it."""
        return self.questions.ask(
            text, asked_by="agent", choices=choices, ways=frozenset({Way.SPEECH, Way.CHAT}), timeout_s=600.0
        )

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
    """A robot that talks with the server at that URL, until the block is left."""
    async with speaking_robot() as robot:
        questions, claims = Questions(), TurnClaims(robot.events)
        asking = Asking(questions, robot.state, robot.events, robot.face)

        async def call_tool(name: str, arguments: Mapping[str, Any]) -> str:
            called.append((name, arguments, acting_for()))
            return "The lamp is lit."

        called: list[tuple[str, Mapping[str, Any], str]] = []
        backend = RealtimeBackend(
            RealtimeSettings.model_validate({"url": url, "key": KEY, **settings}),
            robot.state,
            robot.events,
            robot.speaker,
            tools=[LAMP],
            call_tool=call_tool,
            is_claimed=lambda: bool(questions.open) or claims.is_claimed,
            was_claimed=lambda number: asking.is_answer(number) or claims.was_claimed(number),
            is_stop_phrase=lambda text: text == STOP_PHRASE,
            today=lambda: it.day,
        )
        it = Talker(robot, backend, questions, claims, called)
        claims.listen(backend.be_silent)
        running = [asyncio.create_task(each(), name="realtime") for each in (backend.run, asking.run)]
        await asyncio.sleep(0)  # they listen
        try:
            yield it
            assert not any(task.done() for task in running)
        finally:
            for task in running:
                await cancel_and_wait(task)
            questions.close()
