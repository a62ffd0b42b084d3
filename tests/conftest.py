"""Fixtures that many tests share."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import threading
import weakref
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from robot_node.apps.private_broker import PrivateBroker
from tests.compiling import compile_share
from tests.limits import assert_ended, lasting_threads, limit_of, within
from tests.order import spread
from tests.shared_broker import SharedBroker

# Nothing of what is imported and collected is garbage: looking for it takes nearly half of that time.
gc.disable()

# As robot-node does for its engines: threads that wait for each other in a loop make a busy machine slower.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")

# A busy machine is no reason to fail; what takes long is measured in benchmarks/.
settings.register_profile("busy machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in order; limit the time of each coroutine."""
    items[:] = spread(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = within(limit_of(item), item.obj)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile test files that are not compiled yet."""
    compile_share(session.config)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among what was collected: it stays to the end."""
    gc.freeze()
    gc.enable()


_known = weakref.WeakSet[threading.Thread]()
"""Threads of fixtures that live on, and those that a test was blamed for."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Note what a test has not begun itself."""
    _known.update(lasting_threads())
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """Fail the test that leaves a thread behind, and no other."""
    try:
        yield
    finally:
        left = lasting_threads() - set(_known)
        _known.update(left)
        assert_ended(left)


@pytest.fixture(scope="session")
def everybodys_broker() -> Iterator[SharedBroker]:
    """The mosquitto of all tests that do not stop theirs."""
    shared = SharedBroker()
    yield shared
    asyncio.run(shared.close())


@pytest.fixture
async def broker(request: pytest.FixtureRequest, everybodys_broker: SharedBroker) -> AsyncIterator[PrivateBroker]:
    """A real mosquitto with a WebSocket port, without clients and retained messages."""
    if request.node.get_closest_marker("own_broker"):
        async with PrivateBroker(websocket_port=0) as private:
            yield private
    else:
        yield await everybodys_broker.ready()
        await everybodys_broker.tidy()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, wherever they ran."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name}: {value}")
