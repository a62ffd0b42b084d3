"""Counts the calls of tools, and how long they take: a middleware of the MCP SDK."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from robot_node.core.counters import Counters, Outcome


class ToolMeter:
    """Reports every call of a tool. Put it first: what refuses a call after it is seen as well.

    Args:
        counters: Where it reports to.
        clock: Monotonic time in seconds.
    """

    def __init__(self, counters: Counters, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._clock = clock

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on, and watch what becomes of it."""
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
    # What the SDK has made ready for the wire; a middleware between us and it may answer with a model of its own.
    fields = result if isinstance(result, dict) else {"isError": getattr(result, "is_error", False)}
    if fields.get("resultType") == "input_required":
        return Outcome.ASKED
    return Outcome.ERROR if fields.get("isError") else Outcome.OK
