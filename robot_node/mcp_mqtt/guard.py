"""Access control of an MCP server: roles, rate limits and confirmation by a person.

A middleware of the SDK: ``MCPServer(..., middleware=[guard])``, together with ``ServerOptions(meta=policy.meta())``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from robot_node.mcp_mqtt import consent
from robot_node.mcp_mqtt.access import LISTS, AccessPolicy, Role
from robot_node.mcp_mqtt.consent import Consents, question
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.rate_limit import CallLimits
from robot_node.mcp_mqtt.session import ClientIdentity

logger = logging.getLogger(__name__)

_QUESTION = "confirm"
# A form without a field has only buttons: accepting it is the answer.
_FORM: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Tools that a person must confirm, each call of them, by MCP elicitation.

    Attributes:
        tools: Their names.
        timeout_s: How long a person may take, in seconds. Below the client's time limit for calls, which goes on. A
            client of the 2026-07-28 era repeats the call with the answer: there the SDK's limit of 10 minutes counts.
        elsewhere: For the error of a call that was not confirmed: a sentence that says where a person can confirm it.
    """

    tools: frozenset[str] = frozenset()
    timeout_s: float = 50.0
    elsewhere: str = ""


class Guard:
    """Middleware that enforces a policy and limits, for every client and both protocol eras.

    Add it last: it guards only what comes after it.

    Args:
        policy: Who may do what.
        limits: How often clients may call tools.
        confirmation: Tools that a person must confirm.
        wrong_arguments: Given a tool's name and the arguments of a call, says what is wrong with them, or nothing:
            nobody is asked to confirm a call that will be refused.
        argument_names: Given a tool's name, the arguments that it has; a question shows them first.
        clock: Monotonic time in seconds.
        token: Returns a text that nobody can guess.
    """

    def __init__(
        self,
        policy: AccessPolicy | None = None,
        *,
        limits: CallLimits | None = None,
        confirmation: Confirmation | None = None,
        wrong_arguments: Callable[[str, Mapping[str, Any]], str] | None = None,
        argument_names: Callable[[str], Iterable[str]] = lambda _: (),
        clock: Callable[[], float] = time.monotonic,
        token: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._policy = policy or AccessPolicy()
        self._limits = limits or CallLimits()
        self._confirmation = confirmation or Confirmation()
        self._wrong_arguments = wrong_arguments
        self._argument_names = argument_names
        self._clock = clock
        self._token = token
        self._consents = Consents()
        self._notices = Notices(logger.warning, clock)

    @property
    def is_needed(self) -> bool:
        """Whether it could refuse, limit or ask for anything."""
        return not self._policy.allows_everything or bool(self._limits) or bool(self._confirmation.tools)

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on, or answer it with an error."""
        if ctx.request_id is None:
            return await call_next(ctx)
        caller = ctx.request if isinstance(ctx.request, ClientIdentity) else None
        client_id, topic_verified = (caller.client_id, caller.topic_verified) if caller else ("", True)
        role = self._policy.role_of(client_id)
        error = self._policy.check(role, ctx.method, ctx.params, topic_verified=topic_verified)
        if error is not None:
            self._notices.note("forbidden", f"Refused {ctx.method} of client {client_id}: {error.message}")
            raise MCPError.from_error_data(error)
        if ctx.method == "tools/call":
            return await self._call(ctx, call_next, client_id)
        result = await call_next(ctx)
        return self._visible(role, ctx.method, result)

    def _visible(self, role: Role, method: str, result: HandlerResult) -> HandlerResult:
        if method not in LISTS or not isinstance(result, dict):
            return result
        return self._policy.visible(role, method, result)

    async def _call(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, client_id: str) -> HandlerResult:
        params = ctx.params or {}
        tool = params.get("name")
        if not isinstance(tool, str):
            return await call_next(ctx)  # the SDK says what is wrong with it
        confirm = tool in self._confirmation.tools
        calls_anew = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        # The question and the answer are one call, which the question counted.
        asked_at = self._consents.take(client_id, params.get("requestState")) if confirm and calls_anew else None
        if refusal := self._refusal(client_id, tool, params, confirm=confirm, counted=asked_at is not None):
            return _tool_error(ctx, refusal)
        if not confirm:
            return await call_next(ctx)
        if not _can_ask(ctx):
            outcome = consent.UNSUPPORTED
        elif not calls_anew:
            outcome = await self._elicit(ctx, tool, params)
        elif asked_at is None:
            return self._ask(client_id, tool, params)
        else:
            outcome = _outcome(_answer(params), self._clock() - asked_at)
        if outcome:
            return _tool_error(ctx, consent.not_confirmed(tool, outcome, self._confirmation.elsewhere))
        return await call_next(ctx)

    def _refusal(self, client_id: str, tool: str, params: Mapping[str, Any], *, confirm: bool, counted: bool) -> str:
        """Why a call is not carried out, whatever a person might say to it; empty when it may be."""
        if wait_s := 0 if counted else self._limits.take(client_id, tool, self._clock()):
            text = f"{client_id} calls too often. Try again in {math.ceil(wait_s)} s."
            self._notices.note("too often", f"Refused a call of {tool}: {text}")
            return text
        arguments = params.get("arguments") or {}
        if confirm and self._wrong_arguments is not None and isinstance(arguments, Mapping):
            return self._wrong_arguments(tool, arguments)
        return ""

    async def _elicit(self, ctx: ServerRequestContext[Any, Any], tool: str, params: Mapping[str, Any]) -> str:
        """Ask during the call; return why it is not confirmed, or nothing."""
        began = self._clock()
        try:
            async with asyncio.timeout(self._confirmation.timeout_s):
                result = await ctx.session.elicit_form(
                    self._question(tool, params), _FORM, related_request_id=ctx.request_id
                )
        except TimeoutError:
            return consent.unanswered(self._confirmation.timeout_s)
        except MCPError as error:
            return consent.failed(error.error.code, error.error.message, self._clock() - began)
        except ValidationError:
            return _outcome(None, self._clock() - began)
        return _outcome(result.action, self._clock() - began)

    def _question(self, tool: str, params: Mapping[str, Any]) -> str:
        arguments = params.get("arguments")
        return question(tool, arguments if isinstance(arguments, Mapping) else {}, self._argument_names(tool))

    def _ask(self, client_id: str, tool: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The interim result that asks the client: in the 2026-07-28 era it repeats the call with the answer.

        MCPServer signs the state together with tool and arguments: the question cannot be skipped or exchanged.
        """
        self._consents.ask(client_id, state := self._token(), self._clock())
        asked = {"mode": "form", "message": self._question(tool, params), "requestedSchema": _FORM}
        return {
            "resultType": "input_required",
            "inputRequests": {_QUESTION: {"method": "elicitation/create", "params": asked}},
            "requestState": state,
        }


def _answer(params: Mapping[str, Any]) -> object:
    answers = params.get("inputResponses")
    answer = answers.get(_QUESTION) if isinstance(answers, Mapping) else None
    return answer.get("action") if isinstance(answer, Mapping) else None


def _outcome(action: object, after_s: float) -> str:
    return "" if action == "accept" else consent.answered(action, after_s)


def _can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    # MCP: an empty capability is the one for forms, which is older than the other kind.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _tool_error(ctx: ServerRequestContext[Any, Any], text: str) -> dict[str, Any]:
    """A result rather than a JSON-RPC error: the model reads it, and can act on it."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    return result | {"resultType": "complete"} if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else result
