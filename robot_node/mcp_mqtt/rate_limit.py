"""How often a client may call tools. Pure; the time is passed in."""

from __future__ import annotations

from collections.abc import Container, Mapping

from robot_node.core.rate_limit import RateLimiter

__all__ = ["CallLimits", "RateLimiter"]


class CallLimits:
    """How often a client may call tools: all of them together, and single ones.

    Args:
        per_minute: Calls of one client; 0 for no limit.
        per_tool: Calls of one client by the tool's name; 0 for no limit.
        free: Tools whose calls ``per_minute`` neither counts nor refuses.
    """

    def __init__(
        self, per_minute: float = 0, per_tool: Mapping[str, float] | None = None, *, free: Container[str] = ()
    ) -> None:
        self._free = free
        self._all = RateLimiter(per_minute) if per_minute else None
        self._tools = {tool: RateLimiter(limit) for tool, limit in (per_tool or {}).items() if limit}

    def __bool__(self) -> bool:
        return self._all is not None or bool(self._tools)

    def wait_s(self, client_id: str, tool: str, now: float) -> float:
        """Seconds after which a call may be made; 0 when it may be made now."""
        return max((limiter.wait_s(client_id, now) for limiter in self._limiters(tool)), default=0.0)

    def take(self, client_id: str, tool: str, now: float) -> float:
        """Count a call, unless it is one too many.

        Returns:
            As :meth:`wait_s`; when it isn't 0, nothing was counted.
        """
        wait_s = self.wait_s(client_id, tool, now)
        if not wait_s:
            for limiter in self._limiters(tool):
                limiter.take(client_id, now)
        return wait_s

    def _limiters(self, tool: str) -> list[RateLimiter]:
        of_all = None if tool in self._free else self._all
        return [limiter for limiter in (of_all, self._tools.get(tool)) if limiter is not None]
