"""Confirmation where the agent's own client is not the only way: the first answer wins, in both protocol eras."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.questions import MAX_OF_A_CLIENT, Answer, Question, Questions, Way
from robot_node.mcp_mqtt.access import AccessPolicy
from robot_node.mcp_mqtt.guard import Confirmation
from tests.mcp_mqtt.test_access_guard import MODES, Robot, person, served, text, visit
from tests.waiting import DEADLINE_S, eventually


async def said_yes(questions: Questions) -> Question:
    """Somebody else says yes as soon as there is a question; returns it."""
    await eventually(lambda: questions.open)
    (question,) = questions.open
    return questions.answer(question.id, Answer("yes", Way.CONSOLE, by="anna"))


def answered_elsewhere(questions: Questions, *ways: Way, progress_every_s: float = 10.0, **more: Any) -> Robot:
    confirmation = Confirmation(
        tools=frozenset({"move"}), ways=frozenset({Way.CONSOLE, *ways}), progress_every_s=progress_every_s
    )
    return Robot(policy=AccessPolicy(), confirmation=confirmation, questions=questions, **more)


@MODES
async def test_a_client_that_cannot_ask_waits_for_another_way_and_is_told_that_it_goes_on(
    broker: PrivateBroker, mode: str
) -> None:
    questions = Questions()
    robot = answered_elsewhere(questions, progress_every_s=0.02)
    told = asyncio.Event()

    async def progress(progress: float, total: float | None = None, message: str | None = None) -> None:
        del progress
        assert (total, message) == (50.0, "Waiting for a person to confirm.")
        told.set()

    async with served(broker, robot), visit(broker, "bot", mode) as client:
        await client.list_tools()
        call = asyncio.create_task(client.call_tool("move", {"how": "fast"}, progress_callback=progress))
        async with asyncio.timeout(DEADLINE_S):
            await told.wait()
        assert robot.done == []
        assert (await said_yes(questions)).text == 'May the robot carry out move with how: "fast"?'
        assert text(await call) == "done"
    assert robot.done == ["move fast"]


@MODES
async def test_a_no_at_once_is_no_persons_where_there_is_another_way_but_a_later_one_is(
    broker: PrivateBroker, mode: str
) -> None:
    now = 0.0
    questions = Questions()
    robot = answered_elsewhere(questions, Way.ELICITATION, clock=lambda: now)

    async def decline_late(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        nonlocal now
        now += 5.0
        del context, params
        return ElicitResult(action="decline")

    async with served(broker, robot):
        async with visit(broker, "bot", mode, elicitation_callback=person("decline", [])) as client:
            await client.list_tools()
            call = asyncio.create_task(client.call_tool("move", {}))
            await said_yes(questions)
            assert text(await call) == "done"
        async with visit(broker, "bot-2", mode, elicitation_callback=decline_late) as client:
            await client.list_tools()
            assert "The client declined after 5.0 s" in text(await client.call_tool("move", {}))
    assert robot.done == ["move"]


@MODES
async def test_where_the_client_may_not_ask_its_yes_is_worth_nothing(broker: PrivateBroker, mode: str) -> None:
    asked: list[str] = []
    questions = Questions()
    robot = answered_elsewhere(questions)
    async with served(broker, robot), visit(broker, "sly", mode, elicitation_callback=person("accept", asked)) as sly:
        await sly.list_tools()
        call = asyncio.create_task(sly.call_tool("move", {}))
        await eventually(lambda: questions.open)
        questions.close()
        assert text(await call).endswith("The question was withdrawn.")
    assert (robot.done, asked) == ([], [])


async def test_a_yes_of_another_way_does_not_wait_for_ever_for_a_client_that_calls_again(
    broker: PrivateBroker,
) -> None:
    now = 0.0
    questions = Questions()
    robot = answered_elsewhere(questions, Way.ELICITATION, clock=lambda: now)

    async def dream(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        nonlocal now
        await said_yes(questions)
        now += 100.0
        del context, params
        return ElicitResult(action="cancel")

    async with served(broker, robot), visit(broker, "bot", "2026-07-28", elicitation_callback=dream) as client:
        await client.list_tools()
        assert "the client called again too late" in text(await client.call_tool("move", {}))
    assert robot.done == []


async def test_a_client_opens_only_so_many_questions(broker: PrivateBroker) -> None:
    questions = Questions()
    async with served(broker, answered_elsewhere(questions)), visit(broker, "bot", "legacy") as client:
        calls = [asyncio.create_task(client.call_tool("move", {})) for _ in range(MAX_OF_A_CLIENT + 1)]
        async with asyncio.timeout(DEADLINE_S):
            done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert "Too many questions wait for a person already" in text(done.pop().result())
        assert len(questions.open) == MAX_OF_A_CLIENT
        questions.close()
        await asyncio.wait(calls)
