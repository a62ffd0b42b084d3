"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from robot_node.private_broker import PrivateBroker


@pytest.fixture
async def broker() -> AsyncIterator[PrivateBroker]:
    """A real mosquitto of this test's own, with a WebSocket port."""
    async with PrivateBroker(websocket_port=0) as private:
        yield private


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, wherever they ran."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name}: {value}")
