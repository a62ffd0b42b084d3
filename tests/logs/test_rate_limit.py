"""Repeated errors are folded, and a flood is bounded; whatever is withheld is counted and told."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable

import pytest

from robot_node.core.log_context import in_session
from robot_node.logs.rate_limit import RateLimitedHandler


class Clock:
    """A clock that is set by hand, and calls what is due."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def call_later(self, delay_s: float, function: Callable[[], None]) -> Callable[[], None]:
        timer = (self.now + delay_s, function)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer)

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.timers and (first := min(self.timers, key=lambda timer: timer[0]))[0] <= end:
            self.timers.remove(first)
            self.now = first[0]
            first[1]()
        self.now = end


class Written(logging.Handler):
    """What is written."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Log:
    """A logger of its own behind a handler with limits."""

    def __init__(self, fold_s: float = 60.0, lines_per_s: float = 50.0) -> None:
        self.clock, self.written = Clock(), Written()
        self.handler = RateLimitedHandler(
            self.written,
            fold_s=fold_s,
            lines_per_s=lines_per_s,
            clock=self.clock,
            call_later=self.clock.call_later,
        )
        self.logger = logging.Logger("robot_node.test")  # noqa: LOG001  # of this test alone
        self.logger.addHandler(self.handler)


@pytest.fixture
def log() -> Log:
    return Log()


def test_the_same_error_again_and_again_is_two_lines(log: Log) -> None:
    for _ in range(1000):
        log.logger.error("The display does not answer on %s", "/dev/i2c-1")
        log.clock.forward(0.03)
    assert log.written.lines == ["The display does not answer on /dev/i2c-1"]
    log.clock.forward(60)
    assert log.written.lines[1:] == [
        "The display does not answer on /dev/i2c-1 (repeated 999 times within 60 s)",
    ]
    assert log.written.records[1].levelno == logging.ERROR
    assert vars(log.written.records[1])["repeated"] == 999


def test_after_the_window_an_error_that_goes_on_is_told_anew(log: Log) -> None:
    for _ in range(3):
        log.logger.error("broken")
        log.clock.forward(40)
    assert log.written.lines == ["broken", "broken (repeated 1 times within 60 s)", "broken"]


def test_measured_values_do_not_make_an_error_another_one(log: Log) -> None:
    for delay in (1.0, 2.5, 4.2):
        log.logger.warning("%s Next attempt in %.1f s.", "Refused.", delay)
    assert log.written.lines == ["Refused. Next attempt in 1.0 s."]


def test_another_pin_another_session_and_another_exception_are_other_errors(log: Log) -> None:
    for pin in (17, 18):
        log.logger.error("GPIO %d fails", pin)
    for session in ("mcp/a/1", "mcp/b/2"):
        with in_session(session):
            log.logger.error("It failed")
    for error in (ValueError("one"), ValueError("two")):
        log.logger.error("It failed", exc_info=error)
    assert len(log.written.lines) == 6


def test_what_is_no_warning_is_never_folded(log: Log) -> None:
    for _ in range(5):
        log.logger.info("A viewer is connected")
    assert len(log.written.lines) == 5


def test_zero_seconds_fold_nothing() -> None:
    log = Log(fold_s=0)
    for _ in range(5):
        log.logger.error("broken")
    assert len(log.written.lines) == 5


def test_what_was_counted_is_told_at_the_end(log: Log) -> None:
    for _ in range(3):
        log.logger.error("broken")
    log.clock.forward(2)
    log.handler.close()
    assert log.written.lines == ["broken", "broken (repeated 2 times within 2 s)"]
    assert log.clock.timers == []


def test_so_many_different_errors_that_not_all_can_be_remembered_lose_no_count(log: Log) -> None:
    log.logger.error("the first one")
    log.logger.error("the first one")
    for number in range(1000):
        log.logger.error("error %d", number)
        log.clock.forward(0.05)
    assert any(line.startswith("the first one (repeated 1 times") for line in log.written.lines)


@pytest.mark.slow
def test_remembered_errors_keep_nothing_alive(log: Log) -> None:
    class Large:
        """Stands for a picture, say."""

    large = Large()
    gone = weakref.ref(large)
    log.logger.error("Cannot use %s", large)
    log.written.records.clear()
    del large
    gc.collect()
    assert gone() is None


def test_a_flood_is_cut_to_the_allowance_and_counted() -> None:
    log = Log(lines_per_s=10)
    for number in range(1000):
        log.logger.info("line %d", number)
    assert len(log.written.lines) == 40  # four seconds' worth at once
    log.clock.forward(10)
    assert log.written.lines[-1] == "960 lines were dropped: more than 10 per second."
    log.logger.info("later")
    assert log.written.lines[-1] == "later"


def test_in_the_long_run_so_many_lines_a_second_pass() -> None:
    log = Log(lines_per_s=10)
    for number in range(10_000):
        log.logger.info("line %d", number)
        log.clock.forward(0.01)
    of_the_flood = [line for line in log.written.lines if line.startswith("line")]
    assert 1000 <= len(of_the_flood) <= 1045
    assert (
        sum("were dropped" in line for line in log.written.lines) <= 101
    )  # 100 seconds: not with each line that passes
    log.handler.close()
    told = sum(int(line.split()[0]) for line in log.written.lines if "were dropped" in line)
    assert told + len(of_the_flood) == 10_000


def test_no_flood_hides_an_error() -> None:
    log = Log(lines_per_s=1)
    for number in range(100):
        log.logger.info("line %d", number)
    log.logger.error("on fire")
    assert "on fire" in log.written.lines


def test_a_record_that_cannot_be_formatted_does_not_reach_who_logs_it(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    log.logger.error("%d of %d", "one")  # noqa: PLE1206  # the mistake that is meant
    log.logger.error("the next one is fine")
    assert log.written.lines[0] == "the next one is fine"
    assert log.written.lines[1].startswith("1 lines could not be written: TypeError: ")
    assert "test_rate_limit.py:" in log.written.lines[1]
    assert capsys.readouterr().err == ""
