"""Slows down who guesses tokens of a web server: an address with too many wrong ones has to wait."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from robot_node.core.rate_limit import RateLimiter
from robot_node.core.web_limits import origin_of

_PER_MINUTE = 10.0


class WrongTokens:
    """Wrong tokens by address; of IPv6, by network of 64 bits.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong = RateLimiter(_PER_MINUTE, burst=_PER_MINUTE)

    def refusal(self, scope: Scope) -> Response | None:
        """Return the answer to an address that has to wait; None when it has not to."""
        wait_s = math.ceil(self._wrong.wait_s(origin_of(scope.get("client")), self._clock()))
        if not wait_s:
            return None
        text = f"Too many wrong tokens. Try again in {wait_s} s.\n"
        return PlainTextResponse(text, 429, headers={"Retry-After": str(wait_s)})

    def note(self, scope: Scope) -> None:
        """Count a wrong token."""
        self._wrong.take(origin_of(scope.get("client")), self._clock())
