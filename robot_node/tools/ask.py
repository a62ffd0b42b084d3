"""The tools of questions to people: an agent asks, and a person answers. Nothing here touches MQTT."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from robot_node.core.changes import Changes
from robot_node.core.long_waits import DEFAULT_WAIT_S, LONGEST_WAIT_S, PROGRESS_EVERY_S, LongWait
from robot_node.core.question_states import YES_NO, QuestionState, yes_of
from robot_node.core.questions import Answer, Pending, Question, Questions, Way
from robot_node.core.state import acting_for
from robot_node.core.text import one_line
from robot_node.errors import RobotNodeError
from robot_node.mcp_mqtt.access import HUMAN_ONLY
from robot_node.speech.speaker import Speaker
from robot_node.tools.common import ACTS, SETS, readable_errors

logger = logging.getLogger(__name__)

ANSWER_QUESTION = "answer_question"
QUESTIONS = "robot://questions"

_LONGEST_QUESTION = 300
_LONGEST_ANSWER = 500
_MOST_CHOICES = 8
_OWN_WAYS = frozenset({Way.SPEECH, Way.CHAT, Way.CONSOLE})


class OpenQuestion(BaseModel):
    """A question that a person can answer with answer_question."""

    id: str = Field(description="For answer_question.")
    text: str = Field(description="What is asked.")
    asked_by: str = Field(description="Client id of the agent that asks; it cannot answer itself.")
    tool: str = Field(description="The tool whose call is to be confirmed; empty: the agent itself asks.")
    choices: tuple[str, ...] = Field(description="The answers that count; none: in one's own words.")

    @classmethod
    def of(cls, question: Question) -> OpenQuestion:
        """Return what people see of a question."""
        return cls(
            id=question.id,
            text=question.text,
            asked_by=question.asked_by,
            tool=question.tool,
            choices=question.choices,
        )


class OpenQuestions(BaseModel):
    """Content of ``robot://questions``."""

    questions: tuple[OpenQuestion, ...] = Field(description="The oldest first.")


def open_questions(questions: Questions) -> OpenQuestions:
    """Return the questions that answer_question can answer now."""
    return OpenQuestions(questions=tuple(OpenQuestion.of(each) for each in questions.open if Way.CONSOLE in each.ways))


def offer_ask(
    server: MCPServer,
    questions: Questions,
    *,
    speaker: Speaker | None = None,
    has_button: bool = False,
    progress_every_s: float = PROGRESS_EVERY_S,
) -> None:
    """Let agents ask people.

    Args:
        server: Gets the tool.
        questions: Where the question is asked.
        speaker: Speaks it; None without a voice.
        has_button: Whether a button says yes.
        progress_every_s: How often a wait tells its client that it goes on.
    """

    @server.tool(title="Ask a person", annotations=ACTS)
    async def ask(
        ctx: Context[Any, Any],
        question: Annotated[str, Field(min_length=1, max_length=_LONGEST_QUESTION)],
        choices: Annotated[
            list[Annotated[str, Field(min_length=1, max_length=40)]],
            Field(max_length=_MOST_CHOICES, description="none: any words"),
        ] = [],  # noqa: B006  # the SDK reads the default, and nobody changes it
        timeout_s: Annotated[float, Field(gt=0, le=LONGEST_WAIT_S)] = DEFAULT_WAIT_S,
        if_busy: Annotated[Literal["wait", "refuse"], Field(description="while another question is open")] = "wait",
    ) -> dict[str, Any]:
        """Ask people at the robot, by display, voice and console; return what one answered. null: nobody did."""
        asked_for = _choices(choices)
        if if_busy == "refuse" and not questions.is_free:
            raise ToolError("Another question is open already. Try again later, or wait with if_busy.")
        button = {Way.BUTTON} if has_button and yes_of(asked_for) else set()
        with readable_errors():
            pending = questions.ask(
                one_line(" ".join(question.split())),
                asked_by=acting_for(),
                ways=_OWN_WAYS | button,
                timeout_s=timeout_s,
                choices=asked_for,
            )
        try:
            await _answered(ctx, questions, pending, speaker, progress_every_s)
        finally:
            questions.withdraw(pending.question.id)
        return _result(pending.question)


def _choices(choices: Sequence[str]) -> tuple[str, ...]:
    found = tuple(" ".join(choice.split()) for choice in choices)
    if len({choice.casefold() for choice in found}) < len(found) or not all(found) or len(found) == 1:
        raise ToolError("choices must be two or more different texts, or none.")
    return found


async def _answered(
    ctx: Context[Any, Any], questions: Questions, pending: Pending, speaker: Speaker | None, progress_every_s: float
) -> None:
    spoken, timeout_s = False, pending.question.timeout_s
    wait = LongWait(
        lambda seconds: ctx.report_progress(seconds, timeout_s, "Waiting for a person."), every_s=progress_every_s
    )
    with Changes(questions.listen, value=lambda: pending.question) as changes:
        while not pending.question.is_over:
            if pending.question.state is QuestionState.OPEN and not spoken:
                spoken = True
                await _speak(speaker, pending.question)
            await wait.next(changes)


async def _speak(speaker: Speaker | None, question: Question) -> None:
    if speaker is None:
        return
    choices = "" if question.choices == YES_NO else ", ".join(question.choices)
    try:
        await speaker.say(f"{question.text} {choices}".strip())
    except RobotNodeError as error:
        logger.warning("The question is only shown: %s", error)


def _result(question: Question) -> dict[str, Any]:
    answer = question.answer
    if answer is not None:
        return {"answer": answer.text, "way": str(answer.way)} | ({"by": answer.by} if answer.by else {})
    reason = f"No answer came within {question.timeout_s:g} s."
    return {"answer": None, "reason": reason if question.state is QuestionState.TIMED_OUT else "It was withdrawn."}


def offer_answers(server: MCPServer, questions: Questions) -> None:
    """Let people answer questions, and see which are open."""

    @server.tool(name=ANSWER_QUESTION, title="Answer a question", annotations=SETS, meta=HUMAN_ONLY)
    async def answer_question(
        question_id: Annotated[str, Field(max_length=40, description="id in robot://questions")],
        answer: Annotated[str, Field(min_length=1, max_length=_LONGEST_ANSWER, description="one of its choices")],
    ) -> OpenQuestion:
        """Answer a question in robot://questions. For people only; the first answer counts."""
        with readable_errors():
            text = one_line(" ".join(answer.split()))
            return OpenQuestion.of(questions.answer(question_id, Answer(text, Way.CONSOLE, by=acting_for())))

    @server.resource(QUESTIONS, name="questions", title="Questions to people", mime_type="application/json")
    async def questions_now() -> str:
        """What people are asked now. An update is announced when it changes."""
        return open_questions(questions).model_dump_json()
