"""Silence, by a clock that the tests turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from robot_node.mcp_mqtt.liveness import Liveness, Verdict
from robot_node.mcp_mqtt.options import ServerLimits

LIMITS = ServerLimits(idle_limit_s=100, ping_interval_s=30, ping_timeout_s=10)


def due(liveness: Liveness[str], now: float) -> list[tuple[str, Verdict]]:
    return list(liveness.due(now))


def test_nobody_is_due_where_nobody_is() -> None:
    liveness: Liveness[str] = Liveness(LIMITS)
    assert liveness.next_deadline is None
    assert due(liveness, 1e9) == []


def test_a_silent_client_is_asked_and_then_gone() -> None:
    liveness: Liveness[str] = Liveness(LIMITS)
    liveness.add("a", 0, can_be_pinged=True)
    assert liveness.next_deadline == 30
    assert due(liveness, 29) == []
    assert due(liveness, 30) == [("a", Verdict.PING)]
    assert liveness.next_deadline == 40
    assert due(liveness, 39) == []
    assert due(liveness, 40) == [("a", Verdict.GONE)]
    assert liveness.next_deadline is None


def test_a_client_that_answers_is_asked_again_after_the_next_silence() -> None:
    liveness: Liveness[str] = Liveness(LIMITS)
    liveness.add("a", 0, can_be_pinged=True)
    assert due(liveness, 30) == [("a", Verdict.PING)]
    liveness.touch("a", 35, answers_ping=True)
    assert due(liveness, 64) == []
    assert due(liveness, 65) == [("a", Verdict.PING)]


def test_a_client_that_cannot_be_asked_is_idle_again_and_again() -> None:
    liveness: Liveness[str] = Liveness(LIMITS)
    liveness.add("a", 0, can_be_pinged=False)
    assert due(liveness, 99) == []
    assert due(liveness, 100) == [("a", Verdict.IDLE)]
    assert due(liveness, 199) == []
    assert due(liveness, 200) == [("a", Verdict.IDLE)]


def test_zero_is_never() -> None:
    never: Liveness[str] = Liveness(ServerLimits(idle_limit_s=0, ping_interval_s=0, ping_timeout_s=10))
    for asked in (True, False):
        never.add("a", 0, can_be_pinged=asked)
        assert never.next_deadline is None
        assert due(never, 1e9) == []
    no_pings: Liveness[str] = Liveness(ServerLimits(idle_limit_s=100, ping_interval_s=0, ping_timeout_s=10))
    no_pings.add("a", 0, can_be_pinged=True)
    assert due(no_pings, 100) == [("a", Verdict.IDLE)]


def test_who_can_be_asked_is_asked_before_it_is_idle() -> None:
    liveness: Liveness[str] = Liveness(ServerLimits(idle_limit_s=20, ping_interval_s=30, ping_timeout_s=10))
    liveness.add("a", 0, can_be_pinged=True)
    assert due(liveness, 20) == [("a", Verdict.PING)]


def test_a_closed_session_is_never_due() -> None:
    liveness: Liveness[str] = Liveness(LIMITS)
    for name in ("a", "b"):
        liveness.add(name, 0, can_be_pinged=name == "a")
        liveness.remove(name)
        liveness.touch(name, 1, answers_ping=True)
    assert liveness.next_deadline is None


steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "open modern", "heard", "answered", "close", "tick"]),
        st.sampled_from("abc"),
        st.integers(0, 60),
    ),
    max_size=60,
)


@given(steps)
def test_the_order_of_events_makes_no_difference_to_the_deadlines(sequence: list[tuple[str, str, int]]) -> None:
    """The queues agree with the simple rule: each session's own deadline."""
    liveness: Liveness[str] = Liveness(LIMITS)
    deadlines: dict[str, tuple[float, Verdict]] = {}
    now = 0.0
    for action, name, later in sequence:
        now += later
        # First what became due meanwhile, as a timer would.
        expected = [(key, verdict) for key, (at, verdict) in deadlines.items() if at <= now]
        assert sorted(due(liveness, now), key=lambda pair: pair[0]) == sorted(expected, key=lambda pair: pair[0])
        for key, verdict in expected:
            match verdict:
                case Verdict.PING:
                    deadlines[key] = (now + 10, Verdict.GONE)
                case Verdict.IDLE:
                    deadlines[key] = (now + 100, Verdict.IDLE)
                case Verdict.GONE:
                    del deadlines[key]
        if action.startswith("open") and name not in deadlines:
            modern = action == "open modern"
            liveness.add(name, now, can_be_pinged=not modern)
            deadlines[name] = (now + 100, Verdict.IDLE) if modern else (now + 30, Verdict.PING)
        elif action in {"heard", "answered"}:
            liveness.touch(name, now, answers_ping=action == "answered")
            if name in deadlines:
                pinged = action == "answered" or deadlines[name][1] is Verdict.PING
                deadlines[name] = (now + 30, Verdict.PING) if pinged else (now + 100, Verdict.IDLE)
        elif action == "close":
            liveness.remove(name)
            deadlines.pop(name, None)
        assert liveness.next_deadline == min((at for at, _ in deadlines.values()), default=None)
