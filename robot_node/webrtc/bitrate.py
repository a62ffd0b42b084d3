"""One bitrate for all viewers of one encoder. Pure: reports and the time in, a bitrate out.

A receiver's estimate (REMB) alone is no reason to slow down: a browser begins with a low one and climbs, on the best
of networks. Only together with loss does it count. A viewer far below the rest is thinned out, so that it does not
slow down everybody.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_LOSSY = 0.05  # a receiver report with this share lost means congestion
_CLEAN = 0.02  # one with less means that there is room
_GROWTH_PER_S = 1.08  # as a REMB may grow (draft-ietf-rmcat-gcc-02, 5.5)
_SHORTEST_S = 1.0  # between two changes of the encoder's bitrate
_WORTHWHILE = 0.1  # smaller changes are not made
_FAR_BELOW = 0.5  # of the rest: below this share a viewer is thinned out
_NEAR_ENOUGH = 0.75  # of the rest: from this share on it is not any more


@dataclass(frozen=True, slots=True)
class BitrateLimits:
    """Limits of the encoder's bitrate, in bits per second.

    Attributes:
        floor: The lowest, however bad a viewer's network is.
        ceiling: The highest, used while every network carries it.
    """

    floor: int
    ceiling: int


@dataclass(slots=True)
class _Receiver:
    """One viewer's network, in bits per second."""

    allowed: float
    estimate: float | None = None
    wanted: float = float("inf")
    thinned: bool = False
    reported_at: float = float("-inf")


class BitrateControl:
    """Follows the receivers of one encoder.

    Args:
        limits: Limits of the bitrate.
        set_bitrate: Sets the encoder's bitrate, in bits per second; called only for a change that is worth it.
        now: Seconds on a monotonic clock.
    """

    def __init__(self, limits: BitrateLimits, set_bitrate: Callable[[int], None], now: Callable[[], float]) -> None:
        self._limits = limits
        self._set_bitrate = set_bitrate
        self._now = now
        self._receivers: dict[Hashable, _Receiver] = {}
        self._changed_at = float("-inf")
        self._bitrate = limits.ceiling

    @property
    def bitrate(self) -> int:
        """The encoder's bitrate, in bits per second."""
        return self._bitrate

    def join(self, receiver: Hashable) -> None:
        """Add a receiver."""
        self._receivers[receiver] = _Receiver(self._limits.ceiling)
        self._decide()

    def leave(self, receiver: Hashable) -> None:
        """Remove a receiver, and what it reported."""
        self._receivers.pop(receiver, None)
        self._decide()

    def set_limits(self, limits: BitrateLimits) -> None:
        """Change the limits, at once; the encoder has the new ceiling already. Who had all of the old one gets all."""
        for known in self._receivers.values():
            everything = known.allowed >= self._limits.ceiling
            allowed = limits.ceiling if everything else min(known.allowed, limits.ceiling)
            known.allowed = min(allowed, known.wanted)
        self._limits = limits
        self._bitrate = limits.ceiling
        self._changed_at = float("-inf")
        self._decide()

    def thinned(self, receiver: Hashable) -> bool:
        """Whether the receiver's network carries so much less than the others' that it gets keyframes only."""
        known = self._receivers.get(receiver)
        return known is not None and known.thinned

    def estimate(self, receiver: Hashable, bits_per_second: int) -> None:
        """Take a receiver's estimate of its network's capacity (REMB)."""
        if (known := self._receivers.get(receiver)) is not None:
            known.estimate = bits_per_second

    def limit(self, receiver: Hashable, bits_per_second: int) -> None:
        """Take the most that a media server wants (its REMB): unlike an estimate it holds without loss, too."""
        if (known := self._receivers.get(receiver)) is not None:
            known.estimate = known.wanted = bits_per_second
            known.allowed = min(known.allowed, known.wanted)
            self._decide()

    def report(self, receiver: Hashable, fraction_lost: float) -> None:
        """Take a receiver's report: the share of packets lost since the last one, 0 to 1."""
        known = self._receivers.get(receiver)
        if known is None:
            return
        now = self._now()
        if fraction_lost >= _LOSSY:
            if known.estimate is not None:
                known.allowed = min(known.allowed, known.estimate)
        elif fraction_lost < _CLEAN:
            passed_s = min(1.0, now - known.reported_at)
            known.allowed = max(known.allowed * _GROWTH_PER_S**passed_s, known.estimate or 0.0)
        known.allowed = min(known.allowed, known.wanted, self._limits.ceiling)
        known.reported_at = now
        self._decide()

    def _decide(self) -> None:
        for receiver, known in self._receivers.items():
            others = [other.allowed for key, other in self._receivers.items() if key != receiver]
            share = _NEAR_ENOUGH if known.thinned else _FAR_BELOW
            known.thinned = bool(others) and known.allowed < share * statistics.median(others)
        counted = [known.allowed for known in self._receivers.values() if not known.thinned]
        target = int(max(self._limits.floor, min(counted, default=self._limits.ceiling)))
        self._change_to(target)

    def _change_to(self, target: int) -> None:
        now = self._now()
        at_a_limit = target != self._bitrate and target in {self._limits.floor, self._limits.ceiling}
        if not at_a_limit and abs(target - self._bitrate) <= _WORTHWHILE * self._bitrate:
            return
        if now < self._changed_at + _SHORTEST_S:
            return  # the next report brings it up again
        self._changed_at = now
        self._bitrate = target
        self._set_bitrate(target)
