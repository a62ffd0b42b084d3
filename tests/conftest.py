"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from robot_node.apps.private_broker import PrivateBroker
from tests.shared_broker import shared_broker, tidy

# A busy machine is no reason to fail; what takes long is measured in benchmarks/.
settings.register_profile("busy machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

_LONGEST = ("end_to_end/test_strangers_walk.py", "benchmarks/test_soak.py", "systemd/test_service.py")
"""Minutes each: begun last, one of them would keep one process busy while the others had nothing left to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(_LONGEST))


everybodys_broker = pytest.fixture(shared_broker, scope="session", name="everybodys_broker")


@pytest.fixture
async def broker(request: pytest.FixtureRequest, everybodys_broker: PrivateBroker) -> AsyncIterator[PrivateBroker]:
    """A real mosquitto with a WebSocket port, without clients and retained messages."""
    if request.node.get_closest_marker("own_broker"):
        async with PrivateBroker(websocket_port=0) as private:
            yield private
    else:
        yield everybodys_broker
        await tidy(everybodys_broker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, wherever they ran."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name}: {value}")
