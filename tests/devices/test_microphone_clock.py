"""When sound was heard, on a machine that hands it over late."""

from __future__ import annotations

import pytest

from robot_node.devices.microphone_clock import MicrophoneClock


def test_it_takes_no_notice_of_what_comes_late() -> None:
    clock = MicrophoneClock()
    late = [0.030, 0.004, 0.0, 0.055, 0.002, 0.8, 0.3]
    times = [clock.time_of(0.02 * n, 50.0 + 0.02 * n + by) for n, by in enumerate(late)]
    assert times[2:] == pytest.approx([50.04, 50.06, 50.08, 50.10, 50.12], abs=1e-4)


def test_sound_that_was_lost_is_noticed_at_once_when_the_library_says_so_and_else_after_a_while() -> None:
    clock = MicrophoneClock()
    clock.time_of(0.02, 50.0)
    clock.begin()
    assert clock.time_of(0.04, 51.0) == 51.0
    times = [clock.time_of(0.06 + 0.02 * n, 51.52 + 0.02 * n) for n in range(200)]
    assert times[0] == pytest.approx(51.02, abs=1e-4)
    assert times[-1] == pytest.approx(51.52 + 0.02 * 199, abs=1e-3)
