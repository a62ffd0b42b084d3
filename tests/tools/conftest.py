"""A robot for its tools."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.robot.robot import Robot
from tests.robots import make_robot


@pytest.fixture
async def parts() -> AsyncIterator[Robot]:
    """A simulated robot without a display."""
    parts = make_robot(simulated_platform(scene="clock").platform)
    yield parts
    await parts.camera.close()
