"""Command line and arithmetic of all benchmarks: one JSON line on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from robot_node.core.asyncio_tools import run_until_signal
from robot_node.errors import RobotNodeError


class BenchmarkError(RuntimeError):
    """The benchmark could not be run; the text has the reason."""


def command_line(name: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark's command line.

    Args:
        name: Module name, e.g. ``benchmarks.viewers``.
        description: The module's docstring: ``--help`` shows it as it stands.
    """
    return argparse.ArgumentParser(
        prog=f"python -m {name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def positive(text: str) -> int:
    """Read a whole number of at least 1 from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def print_result(work: Coroutine[Any, Any, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Carry out the benchmark, print its result as one JSON line and return it; if it fails, say why in one line.

    Ctrl-C and SIGTERM end it without a result, and everything that it started.
    """
    try:
        result = asyncio.run(run_until_signal(work))
    except (BenchmarkError, RobotNodeError) as error:
        sys.exit(f"The benchmark failed: {error}")
    if result is None:
        sys.exit("The benchmark was interrupted.")
    print(json.dumps(result))
    return result


def progress(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


async def times_ms(action: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """How long an action takes, each time, in milliseconds."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await action()
        times.append((time.perf_counter() - start) * 1000)
    return times


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that ``percent`` of the values (1 to 99) do not exceed, interpolated.

    Raises:
        BenchmarkError: there are no values.
    """
    if not values:
        raise BenchmarkError("Nothing was measured.")
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By how much y grows with x, by least squares, over all the points.

    Raises:
        BenchmarkError: all points have the same x.
    """
    try:
        return statistics.linear_regression(*zip(*points, strict=True)).slope
    except statistics.StatisticsError as error:
        raise BenchmarkError(f"No slope can be taken: {error}.") from error
