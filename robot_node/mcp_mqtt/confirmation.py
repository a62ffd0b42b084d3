"""Confirmation of tool calls by a person: asks the agent's client, and opens the question for other ways too."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from robot_node.core.changes import Changes
from robot_node.core.long_waits import DEFAULT_WAIT_S, PROGRESS_EVERY_S, LongWait
from robot_node.core.question_states import NO, YES, YES_NO, QuestionState
from robot_node.core.questions import Answer, Pending, Questions, Way
from robot_node.errors import NotReadyError
from robot_node.mcp_mqtt import consent
from robot_node.mcp_mqtt.consent import Asked, Consents, question

_QUESTION = "confirm"
# A form without a field has only buttons: accepting it is the answer.
_FORM: dict[str, Any] = {"type": "object", "properties": {}}
_NOBODY_READS_S = 1.5
"""A client that declines sooner has asked nobody: then another way still counts."""
_LATE_S = 10.0
"""How long a yes of another way stays valid after the question's time, for a client that calls again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Tools that a person must confirm, each call of them.

    Attributes:
        tools: Their names.
        timeout_s: How long a person may take, in seconds. Below the client's time limit for calls, which goes on. A
            client of the 2026-07-28 era repeats the call with the answer: without other ways the SDK's limit of 10
            minutes counts there.
        ways: How a person may confirm: by MCP elicitation, and what else answers :class:`Questions`.
        progress_every_s: How often the client gets progress, in seconds.
        elsewhere: For the error of a call that was not confirmed: a sentence that says where a person can confirm it.
    """

    tools: frozenset[str] = frozenset()
    timeout_s: float = DEFAULT_WAIT_S
    ways: frozenset[Way] = frozenset({Way.ELICITATION})
    progress_every_s: float = PROGRESS_EVERY_S
    elsewhere: str = ""


class Confirmer:
    """Asks whether calls may be carried out. The first answer wins; without one in time the answer is no.

    Args:
        confirmation: What must be confirmed, and how.
        questions: Where the questions are open for other ways.
        argument_names: Given a tool's name, the arguments that it has; a question shows them first.
        clock: Monotonic time in seconds.
        token: Returns a text that nobody can guess.
    """

    def __init__(
        self,
        confirmation: Confirmation,
        questions: Questions,
        *,
        argument_names: Callable[[str], Iterable[str]] = lambda _: (),
        clock: Callable[[], float] = time.monotonic,
        token: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._confirmation = confirmation
        self._questions = questions
        self._argument_names = argument_names
        self._clock = clock
        self._token = token
        self._consents = Consents()
        self._others = confirmation.ways - {Way.ELICITATION}

    def must_confirm(self, tool: str) -> bool:
        """Whether calls of this tool must be confirmed."""
        return tool in self._confirmation.tools

    def take(self, ctx: ServerRequestContext[Any, Any], client_id: str) -> Asked | None:
        """Return the question that this call brings the answer to, once; None: it brings none that counts."""
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return None
        return self._consents.take(client_id, (ctx.params or {}).get("requestState"))

    async def confirm(
        self, ctx: ServerRequestContext[Any, Any], client_id: str, tool: str, asked: Asked | None
    ) -> str | dict[str, Any]:
        """Ask whether a call may be carried out.

        Args:
            ctx: The call.
            client_id: Who calls.
            tool: The tool.
            asked: The question that the call brings the answer to, as of :meth:`take`.

        Returns:
            An empty text: it may. Another text: why not, for a model. An object: the interim result that asks the
            client, which calls again with the answer.
        """
        try:
            outcome = await self._outcome(ctx, client_id, tool, asked)
        except NotReadyError as error:
            outcome = str(error)
        if not outcome or not isinstance(outcome, str):
            return outcome
        return consent.not_confirmed(tool, outcome, self._confirmation.elsewhere)

    async def _outcome(
        self, ctx: ServerRequestContext[Any, Any], client_id: str, tool: str, asked: Asked | None
    ) -> str | dict[str, Any]:
        asks_client = Way.ELICITATION in self._confirmation.ways and _can_ask(ctx)
        calls_anew = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        if not asks_client and not self._others:
            return consent.UNSUPPORTED if Way.ELICITATION in self._confirmation.ways else consent.NOT_ASKED
        if not (calls_anew and asks_client):
            pending = self._open(ctx, client_id, tool)
            return await self._settle(ctx, client_id, pending, asks_client=asks_client)
        if asked is None:
            return self._ask(client_id, ctx, self._open(ctx, client_id, tool) if self._others else None)
        after_s = self._clock() - asked.at
        pending = asked.pending or self._open(ctx, client_id, tool)
        refusal = self._answered(pending, client_id, _answer(ctx.params or {}), after_s)
        outcome = await self._settle(ctx, client_id, pending, asks_client=False, refusal=refusal)
        return outcome or (consent.TOO_LATE if self._is_late(asked, after_s) else "")

    def _is_late(self, asked: Asked, after_s: float) -> bool:
        return asked.pending is not None and after_s > self._confirmation.timeout_s + _LATE_S

    def _open(self, ctx: ServerRequestContext[Any, Any], client_id: str, tool: str) -> Pending:
        return self._questions.ask(
            self._text(ctx),
            asked_by=client_id,
            ways=self._confirmation.ways,
            timeout_s=self._confirmation.timeout_s,
            tool=tool,
            choices=YES_NO,
        )

    def _text(self, ctx: ServerRequestContext[Any, Any]) -> str:
        params = ctx.params or {}
        tool, arguments = str(params.get("name")), params.get("arguments")
        return question(tool, arguments if isinstance(arguments, Mapping) else {}, self._argument_names(tool))

    def _ask(self, client_id: str, ctx: ServerRequestContext[Any, Any], pending: Pending | None) -> dict[str, Any]:
        """The interim result that asks the client: in the 2026-07-28 era it repeats the call with the answer.

        MCPServer signs the state together with tool and arguments: the question cannot be skipped or exchanged.
        """
        self._consents.ask(state := self._token(), Asked(client_id, self._clock(), pending))
        form = {"mode": "form", "message": self._text(ctx), "requestedSchema": _FORM}
        return {
            "resultType": "input_required",
            "inputRequests": {_QUESTION: {"method": "elicitation/create", "params": form}},
            "requestState": state,
        }

    async def _settle(
        self,
        ctx: ServerRequestContext[Any, Any],
        client_id: str,
        pending: Pending,
        *,
        asks_client: bool,
        refusal: str = "",
    ) -> str:
        """Wait for the first answer and withdraw all other ways; return why it is no yes, or nothing.

        Args:
            ctx: The call.
            client_id: Who calls.
            pending: The question.
            asks_client: Ask the client too.
            refusal: Why the client, which has answered already, does not agree.
        """
        limit_s, asking = self._confirmation.timeout_s, None
        wait = LongWait(
            lambda seconds: ctx.session.report_progress(seconds, limit_s, "Waiting for a person to confirm."),
            every_s=self._confirmation.progress_every_s,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                with Changes(self._questions.listen, value=lambda: pending.question) as changes:
                    if asks_client:
                        asking = tasks.create_task(self._elicit(ctx, client_id, pending), name="elicitation")
                    while not pending.question.is_over:
                        await wait.next(changes)
                if asking is not None and not asking.done():
                    asking.cancel()
        finally:
            self._questions.withdraw(pending.question.id)
        if asking is not None and not asking.cancelled():
            refusal = asking.result()
        return self._why_not(pending, refusal)

    def _why_not(self, pending: Pending, refusal: str) -> str:
        match pending.question.state, pending.question.answer:
            case QuestionState.ANSWERED, Answer(text=text) if text == YES:
                return ""
            case QuestionState.ANSWERED, Answer() as answer:
                return refusal if refusal and answer.way is Way.ELICITATION else consent.refused(answer)
            case QuestionState.TIMED_OUT, _:
                return consent.unanswered(self._confirmation.timeout_s)
            case _:
                return refusal or consent.WITHDRAWN

    async def _elicit(self, ctx: ServerRequestContext[Any, Any], client_id: str, pending: Pending) -> str:
        """Ask the client during the call; return why it did not agree, or nothing."""
        began = self._clock()
        action: object = None
        try:
            result = await ctx.session.elicit_form(pending.question.text, _FORM, related_request_id=ctx.request_id)
            action = result.action
        except MCPError as error:
            if not self._others:
                self._questions.withdraw(pending.question.id)
            return consent.failed(error.error.code, error.error.message, self._clock() - began)
        except ValidationError:
            pass
        return self._answered(pending, client_id, action, self._clock() - began)

    def _answered(self, pending: Pending, client_id: str, action: object, after_s: float) -> str:
        """Take the client's answer, unless the question has ended; return why it is no yes, or nothing."""
        reason = "" if action == "accept" else consent.answered(action, after_s)
        is_no = action in {"decline", "cancel"} and (after_s >= _NOBODY_READS_S or not self._others)
        if not pending.question.is_over and (not reason or is_no):
            answer = Answer(NO if reason else YES, Way.ELICITATION, by=client_id)
            self._questions.answer(pending.question.id, answer)
        elif not self._others:
            self._questions.withdraw(pending.question.id)
        return reason


def _answer(params: Mapping[str, Any]) -> object:
    answers = params.get("inputResponses")
    answer = answers.get(_QUESTION) if isinstance(answers, Mapping) else None
    return answer.get("action") if isinstance(answer, Mapping) else None


def _can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    # MCP: an empty capability is the one for forms, which is older than the other kind.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
