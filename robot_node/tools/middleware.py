"""The middleware around a robot's tools: attributes what a client's request changes to it, and counts tool calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from robot_node.core.counters import Counters, Outcome
from robot_node.core.state import act_for
from robot_node.mcp_mqtt.server import ClientIdentity


class CallRecorder:
    """Middleware of the MCP SDK. Put it first, so that it also sees calls that are refused after it.

    Args:
        counters: Where tool calls are counted.
        clock: Monotonic time in seconds.
    """

    def __init__(self, counters: Counters, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._clock = clock

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on; events that it causes name its client, and a tool call is counted."""
        with act_for(ctx.request.client_id if isinstance(ctx.request, ClientIdentity) else ""):
            if ctx.method != "tools/call" or ctx.request_id is None:
                return await call_next(ctx)
            began, outcome = self._clock(), Outcome.ERROR
            try:
                result = await call_next(ctx)
            except MCPError:
                outcome = Outcome.REFUSED
                raise
            except asyncio.CancelledError:
                outcome = Outcome.CANCELLED
                raise
            else:
                outcome = _outcome(result)
                return result
            finally:
                self._counters.record_tool_call(str((ctx.params or {}).get("name")), outcome, self._clock() - began)


def _outcome(result: HandlerResult) -> Outcome:
    # A result is a dict, ready for the wire, or a model where another middleware has answered.
    fields = result if isinstance(result, dict) else {"isError": getattr(result, "is_error", False)}
    if fields.get("resultType") == "input_required":
        return Outcome.ASKED
    return Outcome.ERROR if fields.get("isError") else Outcome.OK
