"""A stop in the middle of connecting."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time

import paho.mqtt.client as paho
import pytest

from robot_node.mqtt import Broker, ConnectOptions, connect


def test_a_stop_while_the_broker_is_still_being_reached_leaves_no_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, begun = paho.Client._create_socket_connection, threading.Event()

    def slow(client: paho.Client) -> socket.socket:
        begun.set()
        time.sleep(0.003)  # as a name that takes long to be resolved, in a thread that cannot be stopped
        return real(client)

    async def stop_early(port: int) -> None:
        async def connecting() -> None:
            async with connect(Broker(f"mqtt://127.0.0.1:{port}"), ConnectOptions("early"), lambda _: None):
                pass

        task = asyncio.create_task(connecting())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.wait([task])

    monkeypatch.setattr(paho.Client, "_create_socket_connection", slow)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(200):  # the task must be made in one of the last turns of the loop
            asyncio.run(stop_early(listener.getsockname()[1]))
        gc.collect()
    assert "was destroyed" not in caplog.text
