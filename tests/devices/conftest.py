"""A Pi for the camera's tests."""

from __future__ import annotations

import pytest

from tests.devices.camera.rig import Pi, make_pi


@pytest.fixture
def pi(request: pytest.FixtureRequest) -> Pi:
    """A simulated Pi 5, or the one that a test is parametrised with."""
    return make_pi(getattr(request, "param", "simulated Pi 5"))
