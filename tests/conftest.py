"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from robot_node.apps.private_broker import PrivateBroker
from tests.shared_broker import shared_broker, tidy

# A busy machine is no reason to fail; what takes long is measured in benchmarks/.
settings.register_profile("busy machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

_TESTS = Path(__file__).parent
_LONG = ("console", "end_to_end", "systemd", "benchmarks", "logs", "apps", "docs", "webrtc", "speech", "mcp_mqtt")
"""Folders whose tests take seconds: begun last, they would keep one process busy while the others had nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.get_closest_marker("slow"):
        return 0
    folder = item.path.relative_to(_TESTS).parts[0]
    return 1 + _LONG.index(folder) if folder in _LONG else 1 + len(_LONG)


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
