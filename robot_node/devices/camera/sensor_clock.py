"""The clock of libcamera's pictures."""

from __future__ import annotations

import time


def monotonic_us(sensor_timestamp_ns: int) -> int:
    """Return the time of a picture in microseconds of the monotonic clock.

    Args:
        sensor_timestamp_ns: libcamera's SensorTimestamp, in nanoseconds of CLOCK_BOOTTIME, which differs from the
            monotonic clock after a suspend.
    """
    suspended_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return (sensor_timestamp_ns - suspended_ns) // 1000
