"""Time limits of a client's requests. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# A request that lives as long as its client wants it to (2026-07-28) has no time limit.
_UNLIMITED = frozenset({"subscriptions/listen"})


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Time limits of requests, in seconds. Progress restarts them.

    Source: MCP over MQTT, "Time limits".

    Attributes:
        default_s: For methods that ``by_method`` doesn't name.
        by_method: For single methods.
    """

    default_s: float = 30.0
    by_method: Mapping[str, float] = field(
        default_factory=lambda: {
            "ping": 10.0,
            "tools/call": 60.0,
            "completion/complete": 60.0,
            "sampling/createMessage": 60.0,
        }
    )

    def of(self, method: str) -> float | None:
        """The limit for a method; None where there is none."""
        return None if method in _UNLIMITED else self.by_method.get(method, self.default_s)
