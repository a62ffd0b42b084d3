"""Agents that have nothing but tools: a call of theirs is confirmed, and they ask people, in every way there is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, TextResourceContents

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps import confirm
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from robot_node.tools.ask import OpenQuestion
from tests.apps.bridge.agents import raw_agent
from tests.end_to_end.agents import text_of
from tests.end_to_end.robot_process import environment, robot_node
from tests.robots import online_robot
from tests.waiting import DEADLINE_S, eventually

SERVER_ID, SERVER_NAME = "robot-that-asks", "tests/asking"
LAMP, OK = 5, 22
QUESTIONS = "robot://questions"
BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


@pytest.fixture
async def pi(broker: PrivateBroker) -> AsyncIterator[SimulatedPi]:
    """The hardware of a robot that is online: a lamp whose calls must be confirmed, and a button that says yes."""
    pi = simulated_platform(scene="clock")
    roles = {"owner": {"allowed_tools": ["answer_question", "set_led"], "allowed_resources": [QUESTIONS]}}
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "webrtc": {"enabled": False},
            "pins": {
                "outputs": {"lamp": {"kind": "led", "pin": LAMP}},
                "inputs": {"ok": {"kind": "button", "pin": OK, "confirms": True}},
            },
            "access": {
                "roles": roles,
                "clients": [{"client_id": name, "role": "owner"} for name in ("anna", "mum", "bridge")],
                "confirm_tools": ["set_led"],
                "confirm_timeout_s": DEADLINE_S,
            },
        },
    )
    async with online_robot(settings, pi.platform):
        yield pi


def visit(broker: PrivateBroker, client_id: str, mode: str = "auto", **options: Any) -> Client:
    transport = mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id=client_id)
    return Client(transport, mode=mode, **options)


def switch_on(agent: Client, **options: Any) -> asyncio.Task[CallToolResult]:
    return asyncio.create_task(agent.call_tool("set_led", {"name": "lamp", "on": True}, **options))


async def open_questions(person: Client) -> list[dict[str, Any]]:
    (content,) = (await person.read_resource(QUESTIONS)).contents
    assert isinstance(content, TextResourceContents)
    questions: list[dict[str, Any]] = json.loads(content.text)["questions"]
    return questions


async def question_of(person: Client) -> dict[str, Any]:
    """The one question, once it is open."""
    async with asyncio.timeout(DEADLINE_S):
        while not (questions := await open_questions(person)):
            await asyncio.sleep(0.02)
    (question,) = questions
    return question


async def answer(person: Client, question: dict[str, Any], text: str) -> CallToolResult:
    return await person.call_tool("answer_question", {"question_id": question["id"], "answer": text})


async def press_until(pi: SimulatedPi, done: asyncio.Task[Any]) -> None:
    """Press the button as a person would who sees that nothing has happened yet."""
    async with asyncio.timeout(DEADLINE_S):
        while not done.done():
            pi.gpio.press(OK)
            await asyncio.sleep(0.1)
            pi.gpio.release(OK)
            await asyncio.wait({done}, timeout=0.2)


async def happened(agent: Client, kind: str) -> list[dict[str, str]]:
    result = await agent.call_tool("get_events", {"kinds": [kind]})
    assert result.structured_content is not None
    events: list[dict[str, str]] = result.structured_content["events"]
    return events


@BOTH_ERAS
async def test_a_call_of_an_agent_with_tools_only_is_confirmed_by_the_robots_button(
    broker: PrivateBroker, pi: SimulatedPi, mode: str
) -> None:
    async with visit(broker, "bot", mode) as agent:
        call = switch_on(agent)
        await press_until(pi, call)
        assert not (await call).is_error, text_of(await call)
        assert pi.gpio.level(LAMP) == 1
        (event,) = await happened(agent, "confirmation")
        assert event["text"] == "set_led, called by bot, was confirmed: the button ok was pressed."
        assert event["device"] == "ok"


@BOTH_ERAS
async def test_a_person_answers_with_the_people_only_tool_and_the_agent_can_not(
    broker: PrivateBroker, pi: SimulatedPi, mode: str
) -> None:
    async with visit(broker, "bot", mode) as agent, visit(broker, "anna") as anna:
        for text, level in (("no", 0), ("yes", 1)):
            call = switch_on(agent)
            question = await question_of(anna)
            assert question["text"].startswith("May the robot carry out set_led with name: ")
            assert (question["asked_by"], question["tool"], question["choices"]) == ("bot", "set_led", ["yes", "no"])
            with pytest.raises(MCPError, match="for people only"):
                await answer(agent, question, "yes")
            assert not (await answer(anna, question, text)).is_error
            assert (await call).is_error is (text == "no")
            assert pi.gpio.level(LAMP) == level
            assert "No question" in text_of(await answer(anna, question, "yes"))
        assert "A person said no: anna, by answer_question." in text_of(await switch_off_refused(agent, anna))
        assert [event["by"] for event in await happened(agent, "confirmation")] == ["anna"] * 3


async def switch_off_refused(agent: Client, person: Client) -> CallToolResult:
    call = asyncio.create_task(agent.call_tool("set_led", {"name": "lamp", "on": False}))
    await answer(person, await question_of(person), "no")
    return await call


async def test_nobody_confirms_the_calls_of_the_same_client(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with visit(broker, "anna") as anna:
        call = switch_on(anna)
        refused = await answer(anna, await question_of(anna), "yes")
        assert text_of(refused).endswith("anna asked this itself: somebody else has to answer.")
        assert pi.gpio.level(LAMP) == 0
        async with visit(broker, "mum") as mum:
            await answer(mum, await question_of(mum), "yes")
        assert not (await call).is_error
    assert pi.gpio.level(LAMP) == 1


async def test_behind_the_bridge_are_agents_only_whatever_role_it_has_and_a_button_confirms(
    broker: PrivateBroker, pi: SimulatedPi
) -> None:
    async with raw_agent(broker) as agent:
        await agent.until_tools({"set_led"})
        call = asyncio.create_task(agent.call("set_led", {"name": "lamp", "on": True}))
        async with visit(broker, "anna") as anna:
            question = await question_of(anna)
        refused = await agent.call("answer_question", {"question_id": question["id"], "answer": "yes"})
        assert "answer_question" in str(refused["error"])
        assert pi.gpio.level(LAMP) == 0
        await press_until(pi, call)
        assert not (await call)["result"]["isError"]
    assert pi.gpio.level(LAMP) == 1


async def test_questions_are_announced_and_withdrawn_when_the_agent_goes(
    broker: PrivateBroker, pi: SimulatedPi
) -> None:
    async with visit(broker, "anna") as anna, anna.listen(resource_subscriptions=[QUESTIONS]) as updates:
        async with visit(broker, "bot") as agent, asyncio.timeout(DEADLINE_S):
            call = switch_on(agent)
            await anext(updates)
            await question_of(anna)
            call.cancel()
        await eventually(lambda: pi.gpio.level(LAMP) == 0)
        async with asyncio.timeout(DEADLINE_S):
            while await open_questions(anna):
                await anext(updates)
    assert pi.gpio.level(LAMP) == 0


async def test_the_first_answer_wins_and_the_agents_own_form_is_withdrawn(
    broker: PrivateBroker, pi: SimulatedPi
) -> None:
    asked, withdrawn = asyncio.Event(), asyncio.Event()

    async def think(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context, params
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            withdrawn.set()
        raise AssertionError

    async with visit(broker, "bot", "legacy", elicitation_callback=think) as agent, visit(broker, "anna") as anna:
        call = switch_on(agent)
        async with asyncio.timeout(DEADLINE_S):
            await asked.wait()
            await answer(anna, await question_of(anna), "yes")
            assert not (await call).is_error
            await withdrawn.wait()
    assert pi.gpio.level(LAMP) == 1


@pytest.mark.usefixtures("pi")
async def test_an_accepted_form_closes_the_question_for_everybody_else(broker: PrivateBroker) -> None:
    async def accept(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context, params
        return ElicitResult(action="accept", content={})

    async with visit(broker, "bot", elicitation_callback=accept) as agent, visit(broker, "anna") as anna:
        assert not (await switch_on(agent)).is_error
        assert await open_questions(anna) == []
        (event,) = await happened(agent, "confirmation")
        assert event["text"].endswith("was confirmed: by the program of bot.")


async def test_an_agent_asks_and_is_told_who_answered_what(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with visit(broker, "bot") as agent, visit(broker, "anna") as anna:
        asking = asyncio.create_task(agent.call_tool("ask", {"question": "Where\nis the cat?"}))
        question = await question_of(anna)
        assert (question["text"], question["tool"], question["choices"]) == ("Where is the cat?", "", [])
        refused = await agent.call_tool("ask", {"question": "And the dog?", "if_busy": "refuse"})
        assert "Another question is open already" in text_of(refused)
        second = asyncio.create_task(agent.call_tool("ask", {"question": "Done?", "choices": ["yes", "no"]}))
        assert not (await answer(anna, question, "On the sofa")).is_error
        told = (await asking).structured_content
        assert told == {"answer": "On the sofa", "way": "console", "by": "anna"}
        assert (await question_of(anna))["text"] == "Done?"
        await press_until(pi, second)
        assert (await second).structured_content == {"answer": "yes", "way": "button"}
        nobody = await agent.call_tool("ask", {"question": "Nobody there?", "timeout_s": 0.1})
        assert nobody.structured_content == {"answer": None, "reason": "No answer came within 0.1 s."}
        for wrong in (["only"], ["same", "Same"], [" ", "x"]):
            assert (await agent.call_tool("ask", {"question": "?", "choices": wrong})).is_error


@pytest.mark.usefixtures("pi")
async def test_a_person_is_asked_each_question_of_a_robot_in_turn(broker: PrivateBroker) -> None:
    decided: dict[str, str | None] = {"Done?": "yes", "Which?": None, "Where?": "here"}
    reports: list[tuple[str, str]] = []

    def decide(question: OpenQuestion) -> str | None:
        return decided[question.text]

    async with visit(broker, "bot") as agent:
        address = Broker.from_url(broker.url)
        with pytest.raises(RemoteError, match="must list answer_question by name"):
            await confirm.answer(address, SERVER_ID, "abcdef", "yes", client_id="stranger")
        first = asyncio.create_task(agent.call_tool("ask", {"question": "Done?", "choices": ["yes", "no"]}))
        await eventually_open(address, "Done?")
        second = asyncio.create_task(agent.call_tool("ask", {"question": "Where?"}))
        asked = await confirm.ask_person(
            address,
            SERVER_ID,
            decide=decide,
            report=lambda question, error: reports.append((question.text, error)),
            client_id="anna",
        )
        told = [(await call).structured_content for call in (first, second)]
        assert [each and each["answer"] for each in told] == ["yes", "here"]
        assert (asked, reports) == (2, [("Done?", ""), ("Where?", "")])


async def eventually_open(address: Broker, text: str) -> str:
    """The id of a question, once it is open."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            for question in await confirm.open_questions(address, SERVER_ID, client_id="anna"):
                if question.text.startswith(text):
                    return question.id


@pytest.mark.slow
async def test_a_script_confirms_a_call_by_its_id(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with visit(broker, "bot") as agent:
        call = switch_on(agent)
        question_id = await eventually_open(Broker.from_url(broker.url), "May the robot carry out set_led")
        as_anna = ("--client-id", "anna")
        wrong, listed = await asyncio.gather(
            robot_node("confirm", SERVER_ID, "--yes", "abcdef", "--client-id", "mum", broker=broker),
            robot_node("confirm", SERVER_ID, *as_anna, broker=broker),
        )
        assert wrong.status == 1
        assert "No question 'abcdef' is open" in wrong.stderr
        assert listed.stdout.startswith(f"{question_id}  bot: May the robot carry out set_led with name: ")
        said = await robot_node("confirm", SERVER_ID, "--yes", question_id, *as_anna, broker=broker)
        assert (said.status, said.stdout) == (0, "Answered: yes.\n")
        assert not (await call).is_error
    assert pi.gpio.level(LAMP) == 1


@contextlib.asynccontextmanager
async def in_a_terminal(broker: PrivateBroker, *arguments: str, typed: str) -> AsyncIterator[Process]:
    """A command whose stdin is a terminal at which somebody types in advance."""
    terminal, stdin = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "robot_node", *arguments),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(broker),
        )
        os.write(terminal, typed.encode())
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    finally:
        os.close(terminal)
        os.close(stdin)


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "on"), [("perhaps\ny\n", 1), ("n\n", 0)], ids=["yes", "no"])
async def test_a_person_answers_in_a_terminal(broker: PrivateBroker, pi: SimulatedPi, typed: str, on: int) -> None:
    async with visit(broker, "bot") as agent:
        call = switch_on(agent)
        await eventually_open(Broker.from_url(broker.url), "May the robot carry out set_led")
        async with in_a_terminal(broker, "confirm", SERVER_ID, "--client-id", "anna", typed=typed) as process:
            stdout, _ = await process.communicate()
        assert [line.strip() for line in stdout.decode().splitlines()][-2:] == [
            "Answered.",
            "No further question is open.",
        ]
        refused = (await call).is_error
    assert (refused, pi.gpio.level(LAMP)) == (not on, on)


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "on"), [("y\n", 1), ("n\n", 0), ("\x04", 0)], ids=["yes", "no", "end of input"])
async def test_who_calls_from_a_terminal_confirms_there(
    broker: PrivateBroker, pi: SimulatedPi, typed: str, on: int
) -> None:
    call = ("call", SERVER_ID, "set_led", "name=lamp", "on:=true", "--client-id", "carol")
    async with in_a_terminal(broker, *call, typed=typed) as process:
        _, stderr = await process.communicate()
    assert stderr.startswith(b"May the robot carry out set_led"), stderr
    assert (process.returncode, pi.gpio.level(LAMP)) == (1 - on, on), stderr
    assert on or b"declined" in stderr
