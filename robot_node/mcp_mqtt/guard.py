"""Access control of an MCP server: roles, rate limits and confirmation by a person.

A middleware of the SDK: ``MCPServer(..., middleware=[guard])``, together with ``ServerOptions(meta=policy.meta())``.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from robot_node.core.questions import Questions
from robot_node.mcp_mqtt.access import LISTS, AccessPolicy, Role
from robot_node.mcp_mqtt.confirmation import Confirmation, Confirmer
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.rate_limit import CallLimits
from robot_node.mcp_mqtt.session import ClientIdentity

__all__ = ["Confirmation", "Guard"]

logger = logging.getLogger(__name__)


class Guard:
    """Middleware that enforces a policy and limits, for every client and both protocol eras.

    Add it last: it guards only what comes after it.

    Args:
        policy: Who may do what.
        limits: How often clients may call tools.
        confirmation: Tools that a person must confirm.
        questions: Where people answer another way than in the agent's client.
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
        questions: Questions | None = None,
        wrong_arguments: Callable[[str, Mapping[str, Any]], str] | None = None,
        argument_names: Callable[[str], Iterable[str]] = lambda _: (),
        clock: Callable[[], float] = time.monotonic,
        token: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._policy = policy or AccessPolicy()
        self._limits = limits or CallLimits()
        self._confirmation = confirmation or Confirmation()
        self._wrong_arguments = wrong_arguments
        self._clock = clock
        self._confirmer = Confirmer(
            self._confirmation, questions or Questions(), argument_names=argument_names, clock=clock, token=token
        )
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
        confirm = self._confirmer.must_confirm(tool)
        # The question and the answer are one call, which the question counted.
        asked = self._confirmer.take(ctx, client_id) if confirm else None
        if refusal := self._refusal(client_id, tool, params, confirm=confirm, counted=asked is not None):
            return _tool_error(ctx, refusal)
        outcome = await self._confirmer.confirm(ctx, client_id, tool, asked) if confirm else ""
        if isinstance(outcome, str):
            return _tool_error(ctx, outcome) if outcome else await call_next(ctx)
        return outcome

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


def _tool_error(ctx: ServerRequestContext[Any, Any], text: str) -> dict[str, Any]:
    """A result rather than a JSON-RPC error: the model reads it, and can act on it."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    return result | {"resultType": "complete"} if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else result
