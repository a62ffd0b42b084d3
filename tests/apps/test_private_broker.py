"""The private mosquitto of demo, tests and benchmarks."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from robot_node.apps.private_broker import PrivateBroker, free_port
from robot_node.errors import BrokerError
from tests.waiting import eventually

STARTS_A_BROKER_AND_IS_KILLED = """
import asyncio, os, signal
from robot_node.apps.private_broker import PrivateBroker

async def main():
    broker = PrivateBroker()
    await broker.start()
    print(broker.port, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.own_broker
async def test_it_listens_while_it_runs(broker: PrivateBroker) -> None:
    assert broker.websocket_port
    assert is_listening(broker.port)
    assert is_listening(broker.websocket_port)
    await broker.stop()
    assert not is_listening(broker.port)


@pytest.mark.own_broker
async def test_its_ports_stay_its_own_while_it_is_stopped(broker: PrivateBroker) -> None:
    assert broker.websocket_port
    await broker.stop()
    for port in (broker.port, broker.websocket_port):
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", port))
    await broker.start()
    assert is_listening(broker.port)
    assert is_listening(broker.websocket_port)


async def test_it_dies_with_the_program_that_started_it() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTS_A_BROKER_AND_IS_KILLED), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    port = int(printed)
    await eventually(lambda: not is_listening(port), "the broker is gone")


def test_a_taken_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) > port


async def test_a_missing_mosquitto_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    broker = PrivateBroker()
    with pytest.raises(BrokerError, match=r"mosquitto is not installed\. .*apt-get install mosquitto"):
        await broker.start()
    broker.close()


async def test_settings_that_mosquitto_refuses_are_shown() -> None:
    broker = PrivateBroker(extra="no_such_setting true")
    with pytest.raises(BrokerError, match="no_such_setting"):
        await broker.start()
    broker.close()
