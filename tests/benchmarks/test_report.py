"""The arithmetic and the output that all benchmarks share."""

from __future__ import annotations

import pytest

from benchmarks._report import BenchmarkError, percentile, print_result, slope
from robot_node.errors import BrokerError


def test_percentiles_lie_between_the_values_around_them() -> None:
    values = [float(value) for value in range(101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile([1.0, 2.0], 50) == 1.5
    assert percentile([7.0], 95) == 7


def test_nothing_measured_is_an_error_and_not_a_figure() -> None:
    with pytest.raises(BenchmarkError, match="Nothing was measured"):
        percentile([], 50)


def test_a_slope_is_taken_over_all_points() -> None:
    assert slope([(1, 0.2), (2, 0.3), (3, 0.4)]) == pytest.approx(0.1)
    with pytest.raises(BenchmarkError, match="No slope"):
        slope([(1, 0.2), (1, 0.3)])


@pytest.mark.parametrize("error", [BenchmarkError("no luck"), BrokerError("no luck")])
def test_a_benchmark_that_fails_prints_no_json_and_says_why(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail() -> dict[str, float]:
        raise error

    with pytest.raises(SystemExit, match="The benchmark failed: no luck"):
        print_result(fail())
    assert not capsys.readouterr().out
