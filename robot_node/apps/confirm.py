"""MQTT client side of ``robot-node confirm``: read a robot's open questions and answer them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, TextResourceContents
from pydantic import ValidationError

from robot_node.apps.remote import call, request, session
from robot_node.core.json_limits import check_json
from robot_node.core.text import one_line, shown
from robot_node.errors import RemoteError
from robot_node.mqtt import Broker
from robot_node.tools.ask import ANSWER_QUESTION, QUESTIONS, OpenQuestion, OpenQuestions

_REMEDY = "A role in the robot's [access] must list answer_question by name, and --client-id must have that role."
_MOST = 64


async def open_questions(broker: Broker, robot: str, *, client_id: str | None = None) -> tuple[OpenQuestion, ...]:
    """Return the questions that a person can answer now, the oldest first.

    Raises:
        RemoteError: The robot is not online, has no such questions, or did not answer in time.
        BrokerError: The broker cannot be reached.
    """
    try:
        async with session(broker, robot, QUESTIONS, client_id=client_id) as client:
            return await _read(client)
    except RemoteError as error:
        raise _with_remedy(error) from error


async def answer(broker: Broker, robot: str, question_id: str, text: str, *, client_id: str | None) -> CallToolResult:
    """Answer one question.

    Raises:
        RemoteError: The robot is not online, refused, or did not answer in time.
        BrokerError: The broker cannot be reached.
    """
    try:
        return await call(broker, robot, ANSWER_QUESTION, _arguments(question_id, text), client_id=client_id)
    except RemoteError as error:
        raise _with_remedy(error) from error


async def ask_person(
    broker: Broker,
    robot: str,
    *,
    decide: Callable[[OpenQuestion], str | None],
    report: Callable[[OpenQuestion, str], None],
    client_id: str | None = None,
) -> int:
    """Ask a person each open question, also those that come meanwhile; return how many there were.

    Args:
        broker: The robot's broker.
        robot: Its server id or server name.
        decide: Asks the person, in a thread; None: the question is left to others.
        report: Called with what became of each answer: why it does not count, or nothing.
        client_id: MQTT client id; random by default.

    Raises:
        RemoteError: The robot is not online, has no such questions, or did not answer in time.
        BrokerError: The broker cannot be reached.
    """
    seen: set[str] = set()
    try:
        async with session(broker, robot, QUESTIONS, client_id=client_id) as client:
            while fresh := [each for each in await _read(client) if each.id not in seen]:
                question = fresh[0]
                seen.add(question.id)
                text = await asyncio.to_thread(decide, question)
                if text is not None:
                    result = await request(client, ANSWER_QUESTION, _arguments(question.id, text))
                    report(question, _error_of(result))
    except RemoteError as error:
        raise _with_remedy(error) from error
    return len(seen)


def _arguments(question_id: str, text: str) -> dict[str, Any]:
    return {"question_id": question_id, "answer": text}


def _error_of(result: CallToolResult) -> str:
    texts = [block.text for block in result.content if block.type == "text"] if result.is_error else []
    return one_line(" ".join(texts))


async def _read(client: Client) -> tuple[OpenQuestion, ...]:
    contents = (await client.read_resource(QUESTIONS)).contents
    text = contents[0].text if contents and isinstance(contents[0], TextResourceContents) else ""
    try:
        check_json(text.encode(errors="replace"), max_values=1000)
        found = OpenQuestions.model_validate_json(text).questions
    except (ValidationError, ValueError) as error:
        raise RemoteError("The robot's list of questions is malformed.") from error
    return tuple(_safe(question) for question in found[:_MOST])


def _safe(question: OpenQuestion) -> OpenQuestion:
    """A question whose texts are one bounded line each."""
    return OpenQuestion(
        id=shown(question.id),
        text=one_line(question.text),
        asked_by=shown(question.asked_by),
        tool=shown(question.tool),
        choices=tuple(shown(choice) for choice in question.choices),
    )


def _with_remedy(error: RemoteError) -> RemoteError:
    return error if error.remedy else RemoteError(error.message, remedy=_REMEDY)
