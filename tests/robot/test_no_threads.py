"""A system that permits no further thread: a fault with its remedy, and no dead robot."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.state import RobotState
from robot_node.devices.worker import DeviceWorker
from robot_node.errors import BrokerError, DeviceError
from robot_node.logs.rate_limit import RateLimitedHandler
from robot_node.mqtt import Backoff, Broker, Connection, ConnectOptions, connect, keep_connected
from robot_node.robot.state_store import StateStore
from tests.attack.nasty_broker import nasty_broker
from tests.waiting import DEADLINE_S, eventually


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing can start a thread, as with a limit, which does not bind root; undo it to have them again."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    return monkeypatch


async def test_a_device_has_an_error_with_a_remedy_and_works_again_later(no_threads: pytest.MonkeyPatch) -> None:
    worker = DeviceWorker("display")
    for _ in range(2):
        with pytest.raises(DeviceError, match="display cannot be used: the system permits no further thread") as caught:
            await worker.run(lambda: 1)
        assert "TasksMax" in caught.value.remedy
    no_threads.undo()
    assert await asyncio.wait_for(worker.run(lambda: 1), DEADLINE_S) == 1
    worker.close()


async def test_a_connection_is_tried_again(no_threads: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    works = asyncio.Event()

    async def serve(_: Connection) -> None:
        works.set()
        await asyncio.Event().wait()

    async with nasty_broker() as broker:
        for url in (broker.url, broker.url.replace("mqtt", "mqtts")):
            with pytest.raises(BrokerError, match="the system permits no further thread") as caught:
                async with connect(Broker(url), ConnectOptions("one")):
                    pass
            assert "TasksMax" in caught.value.remedy
        task = asyncio.create_task(
            keep_connected(Broker(broker.url), ConnectOptions("one"), serve, name="Test", backoff=Backoff(0.01, 0.02))
        )
        await eventually(lambda: task.done() or "Next attempt in" in caplog.text, "an attempt has failed")
        no_threads.undo()
        await eventually(lambda: task.done() or works.is_set(), "it is connected")
        assert not task.done()
        await cancel_and_wait(task)


async def test_the_state_is_saved_later(
    no_threads: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = RobotState()
    store = StateStore(tmp_path / "state.json", state)
    state.update(emotion="happy")
    await store.close()
    assert "The system permits no further thread." in caplog.text
    no_threads.undo()
    await store.close()
    assert "happy" in (tmp_path / "state.json").read_text()


@pytest.mark.usefixtures("no_threads")
def test_a_log_with_repeated_errors_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    written: list[str] = []

    class Target(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    logger = logging.Logger("robot_node.test")  # noqa: LOG001  # of this test alone
    handler = RateLimitedHandler(Target(), fold_s=60, lines_per_s=50)
    logger.addHandler(handler)
    for _ in range(3):
        logger.error("on fire")
    handler.close()
    assert written[0] == "on fire"
    assert "repeated 2 times" in written[1]
    assert capsys.readouterr().err == ""
