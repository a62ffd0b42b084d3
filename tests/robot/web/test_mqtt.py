"""MQTT of pages through the robot's HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from robot_node.apps.private_broker import WEBSOCKET_USER, PrivateBroker
from robot_node.core.state import RobotState
from robot_node.errors import BrokerError
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.robot.web.mqtt import MqttProxy
from robot_node.robot.web.pictures import Pictures
from robot_node.robot.web.server import build_app, serve_robot
from robot_node.settings.http import HttpSettings
from tests.robot.web.conftest import TOKEN, running
from tests.waiting import DEADLINE_S, eventually

MQTT = [Subprotocol("mqtt")]


@contextlib.asynccontextmanager
async def mqtt_proxy(broker: Broker, *, token: str = "", most: int = 32) -> AsyncIterator[str]:
    """Serve nothing but MQTT; yields the URL for it."""

    async def no_photo(_: float) -> None:
        raise AssertionError

    settings = HttpSettings(port=0, token=token)
    pictures = Pictures(no_photo, frame_rate=1)  # type: ignore[arg-type]  # none is taken
    app = build_app(
        settings, RobotState(), {"camera": pictures}, None, [MqttProxy(broker, max_connections=most).route()]
    )
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with running(asyncio.create_task(serve_robot(app, settings, on_listening=listening.set_result))):
        yield f"ws://{urlsplit(await listening).netloc}/mqtt"


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
async def test_a_page_speaks_with_the_robot_s_broker(broker: PrivateBroker, transport: str) -> None:
    websocket_url = f"ws://127.0.0.1:{broker.websocket_port}/mqtt"
    robots = Broker.from_url(broker.url if transport == "tcp" else websocket_url)
    received: asyncio.Queue[Incoming] = asyncio.Queue()
    # A photo; less from a WebSocket of mosquitto 2.0, which sends 4 KiB in 100 ms.
    large = bytes(range(256)) * (2000 if transport == "tcp" else 60)
    async with (
        mqtt_proxy(robots) as url,
        connect(Broker.from_url(url), ConnectOptions(client_id="page")) as page,
        connect(Broker.from_url(broker.url), ConnectOptions(client_id="other")) as other,
    ):
        page.on_message = other.on_message = received.put_nowait
        await page.subscribe(Subscription("to/page"))
        await other.subscribe(Subscription("from/page"))
        await other.publish("to/page", large, qos=1)
        assert (await asyncio.wait_for(received.get(), DEADLINE_S)).payload == large
        await page.publish("from/page", b"hello", qos=1)
        assert (await asyncio.wait_for(received.get(), DEADLINE_S)).payload == b"hello"


async def test_the_robot_s_credentials_are_not_used() -> None:
    async with PrivateBroker(0, 0, websocket_password="hunter2") as private:  # of this test
        websocket_url = f"ws://127.0.0.1:{private.websocket_port}/mqtt"
        with_password = Broker.from_url(websocket_url, username=WEBSOCKET_USER, password="hunter2")
        async with mqtt_proxy(with_password) as url:
            with pytest.raises(BrokerError, match=r"(?i)not authori"):
                async with connect(Broker.from_url(url), ConnectOptions(client_id="page")):
                    pass
            own = Broker.from_url(url, username=WEBSOCKET_USER, password="hunter2")
            async with connect(own, ConnectOptions(client_id="page")):
                pass


async def test_a_page_needs_the_cookie_that_the_token_gives(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async with mqtt_proxy(Broker.from_url(broker.url), token=TOKEN) as url:
        with pytest.raises(InvalidStatus, match="401"):
            async with websocket(url, subprotocols=MQTT, proxy=None):
                pass
        assert not [record for record in caplog.records if record.levelname == "ERROR"]  # nobody's mistake
        async with httpx2.AsyncClient(trust_env=False) as client:
            page = await client.get(url.replace("ws:", "http:"), auth=("anybody", TOKEN))
            cookie = page.headers["set-cookie"]
            assert "HttpOnly; SameSite=Strict" in cookie
            assert TOKEN not in cookie
        headers = {"Cookie": cookie.partition(";")[0]}
        async with websocket(url, subprotocols=MQTT, additional_headers=headers, proxy=None) as opened:
            assert opened.subprotocol == "mqtt"


async def test_a_page_of_another_site_gets_no_connection(broker: PrivateBroker) -> None:
    async with mqtt_proxy(Broker.from_url(broker.url)) as url:
        # A page of this machine, too, if another server sent it.
        for origin in ("https://evil.example", "http://localhost:9", "http://127.0.0.1:9"):
            with pytest.raises(InvalidStatus, match="403"):
                async with websocket(url, subprotocols=MQTT, origin=Origin(origin), proxy=None):
                    pass
        with pytest.raises(InvalidStatus):
            async with websocket(url, proxy=None):  # no MQTT
                pass


async def test_connections_are_bounded_and_freed(broker: PrivateBroker) -> None:
    async with mqtt_proxy(Broker.from_url(broker.url), most=1) as url:
        async with websocket(url, subprotocols=MQTT, proxy=None):
            with pytest.raises(InvalidStatus):
                async with websocket(url, subprotocols=MQTT, proxy=None):
                    pass
        freed = asyncio.Event()

        async def again() -> None:
            while not freed.is_set():
                with contextlib.suppress(InvalidStatus):
                    async with websocket(url, subprotocols=MQTT, proxy=None):
                        freed.set()

        await asyncio.wait_for(again(), DEADLINE_S)
        await eventually(lambda: not [task for task in asyncio.all_tasks() if "of a page" in task.get_name()])


async def test_a_broker_that_is_away_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with mqtt_proxy(Broker("mqtt://127.0.0.1:9")) as url:
        with pytest.raises(InvalidStatus):
            async with websocket(url, subprotocols=MQTT, proxy=None):
                pass
    assert "A page cannot reach the broker: No connection to mqtt://127.0.0.1:9" in caplog.text
