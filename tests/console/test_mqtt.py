"""MQTT of pages through the console's own server, for all robots of a broker."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from robot_node.apps.private_broker import WEBSOCKET_USER, PrivateBroker
from robot_node.console.server import Console, serve_console
from robot_node.errors import BrokerError, SettingsError
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.settings.loading import load_settings
from tests.command import command
from tests.console.browser import serving
from tests.end_to_end.robot_process import environment
from tests.robot.web.reverse_proxies import NAME, RECIPES
from tests.waiting import DEADLINE_S

MQTT = [Subprotocol("mqtt")]
TOKEN, ANOTHER = "a-token-of-the-console", "a-token-of-another-server"  # of these tests


def mqtt_url(page: str) -> str:
    return f"ws://{urlsplit(page).netloc}/mqtt"


async def speaks(url: str, broker: PrivateBroker) -> bool:
    """Whether a message through a page's server reaches a client of the broker."""
    received: asyncio.Queue[Incoming] = asyncio.Queue()
    async with (
        connect(Broker.from_url(mqtt_url(url)), ConnectOptions(client_id="page")) as page,
        connect(Broker.from_url(broker.url), ConnectOptions(client_id="other")) as other,
    ):
        other.on_message = received.put_nowait
        await other.subscribe(Subscription("from/page"))
        await page.publish("from/page", b"hello", qos=1)
        return (await asyncio.wait_for(received.get(), DEADLINE_S)).payload == b"hello"


async def test_the_page_reaches_the_broker_through_its_own_server(broker: PrivateBroker) -> None:
    settings = load_settings(overrides={"broker": {"url": broker.url}, "console": {"port": 0}})
    async with serving(Console.from_settings(settings)) as url, httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{url}config.json")).json()["brokerUrl"] == "/mqtt"
        assert await speaks(url, broker)


async def test_with_an_address_for_browsers_nothing_is_passed_on(broker: PrivateBroker) -> None:
    console = {"port": 0, "broker_url": "wss://broker.example/mqtt"}
    settings = load_settings(overrides={"broker": {"url": broker.url}, "console": console})
    async with serving(Console.from_settings(settings)) as url:
        with pytest.raises(InvalidStatus):
            async with websocket(mqtt_url(url), subprotocols=MQTT, proxy=None):
                pass


async def test_people_sign_in_with_their_own_password_and_never_with_that_of_the_settings() -> None:
    async with PrivateBroker(0, 0, websocket_password="hunter2") as private:  # of this test
        account = Broker(f"ws://{WEBSOCKET_USER}:hunter2@127.0.0.1:{private.websocket_port}/mqtt")
        async with serving(Console(port=0, broker=account)) as url:
            with pytest.raises(BrokerError, match=r"(?i)not authori"):
                async with connect(Broker.from_url(mqtt_url(url)), ConnectOptions(client_id="page")):
                    pass
            own = Broker.from_url(mqtt_url(url), username=WEBSOCKET_USER, password="hunter2")
            async with connect(own, ConnectOptions(client_id="page")):
                pass


async def test_the_token_protects_page_and_mqtt(broker: PrivateBroker) -> None:
    console = Console(port=0, broker=Broker.from_url(broker.url), token=TOKEN)
    async with serving(console) as url, httpx2.AsyncClient(trust_env=False) as client:
        for path in ("", "config.json", "faces/happy.png"):
            assert (await client.get(url + path)).status_code == 401
        with pytest.raises(InvalidStatus, match="401"):
            async with websocket(mqtt_url(url), subprotocols=MQTT, proxy=None):
                pass
        page = await client.get(url, auth=("anna", TOKEN))
        assert page.status_code == 200
        cookie = {"Cookie": page.headers["set-cookie"].partition(";")[0]}
        async with websocket(mqtt_url(url), subprotocols=MQTT, additional_headers=cookie, proxy=None):
            pass
    async with serving(console) as url, httpx2.AsyncClient(trust_env=False) as guesser:
        guesses = [(await guesser.get(url, auth=("anna", "wrong" * 4))).status_code for _ in range(12)]
        assert guesses[-1] == 429
        with pytest.raises(InvalidStatus, match="429"):
            async with websocket(mqtt_url(url), subprotocols=MQTT, proxy=None):
                pass


async def test_a_browser_keeps_the_cookies_of_two_servers_of_one_host_apart() -> None:
    async with (
        serving(Console(port=0, token=TOKEN)) as first,
        serving(Console(port=0, token=ANOTHER)) as second,
        httpx2.AsyncClient(trust_env=False) as client,  # cookies know no ports
    ):
        for url, token in ((first, TOKEN), (second, ANOTHER)):
            assert (await client.get(url, auth=("anna", token))).status_code == 200
        for url in (first, second):
            assert (await client.get(url)).status_code == 200


async def test_pages_of_other_servers_and_other_names_are_refused(broker: PrivateBroker) -> None:
    async with serving(Console(port=0, broker=Broker.from_url(broker.url))) as url:
        for origin in ("https://evil.example", "http://localhost:9", "http://127.0.0.1:9"):
            with pytest.raises(InvalidStatus, match="403"):
                async with websocket(mqtt_url(url), subprotocols=MQTT, origin=Origin(origin), proxy=None):
                    pass
        with pytest.raises(InvalidStatus, match="421"):
            async with websocket(
                "ws://evil.example/mqtt", subprotocols=MQTT, proxy=None, host="127.0.0.1", port=urlsplit(url).port
            ):
                pass
        async with websocket(mqtt_url(url), subprotocols=MQTT, origin=Origin(url.rstrip("/")), proxy=None):
            pass


async def test_behind_a_proxy_the_page_has_the_proxy_s_name(broker: PrivateBroker) -> None:
    console = Console(port=0, broker=Broker.from_url(broker.url), name="robots.example")
    async with serving(console) as url:
        port = urlsplit(url).port
        for host in ("ws://robots.example/mqtt", mqtt_url(url)):  # the proxy passes the name on, or its own address
            async with websocket(
                host,
                subprotocols=MQTT,
                origin=Origin("https://robots.example"),
                proxy=None,
                host="127.0.0.1",
                port=port,
            ):
                pass


async def test_with_a_certificate_page_and_mqtt_are_encrypted(broker: PrivateBroker, tmp_path: Path) -> None:
    subprocess.run(["bash", "-euc", RECIPES["certificate"]], cwd=tmp_path, check=True, capture_output=True)
    certificate, key = tmp_path / "robot.crt", tmp_path / "robot.key"
    console = Console(port=0, broker=Broker.from_url(broker.url), name=NAME, cert_file=certificate, key_file=key)
    trust = ssl.create_default_context(cafile=str(certificate))
    async with serving(console) as url:
        assert url.startswith("https://")
        async with websocket(
            f"wss://{NAME}/mqtt", host="127.0.0.1", port=urlsplit(url).port, ssl=trust, subprotocols=MQTT, proxy=None
        ):
            pass


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("no PEM", "PEM"), ("", "PEM")])
async def test_a_certificate_that_cannot_be_used_is_said(content: str | None, reason: str, tmp_path: Path) -> None:
    certificate = tmp_path / "x.crt"
    if content is not None:
        certificate.write_text(content)
    with pytest.raises(SettingsError, match=f"The certificate .* cannot be used: .*{reason}") as refused:
        await serve_console(Console(port=0, cert_file=certificate, key_file=certificate))
    assert refused.value.remedy


@pytest.fixture
async def endless() -> AsyncIterator[tuple[Broker, asyncio.Event]]:
    """A broker that sends until nothing more is taken for two seconds; the event is then set."""
    held_up = asyncio.Event()
    enough = 512 * 1024 * 1024

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(enough // 65536):
            writer.write(bytes(65536))
            try:
                async with asyncio.timeout(2):
                    await writer.drain()
            except TimeoutError:
                held_up.set()
                break
            except OSError:
                break
        writer.transport.abort()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        yield Broker(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"), held_up


async def test_for_a_page_that_reads_nothing_the_broker_is_held_up(endless: tuple[Broker, asyncio.Event]) -> None:
    broker, held_up = endless
    async with serving(Console(port=0, broker=broker)) as url:
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        head = f"GET /mqtt HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        writer.write(f"{head}{key}Sec-WebSocket-Protocol: mqtt\r\n\r\n".encode())
        assert b" 101 " in await reader.readuntil(b"\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport
        await asyncio.wait_for(held_up.wait(), DEADLINE_S)
        writer.transport.abort()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "robots.example"])  # noqa: S104  # refused
async def test_beyond_this_machine_a_token_is_required_where_mqtt_is_passed_on(host: str) -> None:
    with pytest.raises(SettingsError, match="needs a token") as refused:
        await serve_console(Console(host=host, port=0, broker=Broker()))
    assert refused.value.remedy is not None
    assert "console.broker_url" in refused.value.remedy


def test_the_command_says_so_too(tmp_path: Path) -> None:
    refused = command("console", "--host", "0.0.0.0", "--port", "0")  # noqa: S104  # refused
    assert refused.status == 1
    assert "needs a token" in refused.stderr
    (tmp_path / "token").write_text("short")
    short = command("console", "--token-file", str(tmp_path / "token"))
    assert short.status == 1
    assert "openssl rand" in short.stderr


@pytest.mark.slow
async def test_the_command_passes_mqtt_on_to_its_broker(broker: PrivateBroker, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    settings = {"ROBOT_NODE_CONSOLE__BROKER_URL": "wss://of-the-settings.example/mqtt"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_node", "console", "--port", "0", "--broker", broker.url),
        *("--token-file", str(token)),
        stdout=asyncio.subprocess.PIPE,
        env=environment(None, settings),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S), httpx2.AsyncClient(trust_env=False) as client:
            url = (await process.stdout.readline()).decode().split()[-1]
            assert url.startswith("http://127.0.0.1:")
            config = await client.get(f"{url}config.json", auth=("anna", TOKEN))
            assert json.loads(config.text)["brokerUrl"] == "/mqtt"
            cookie = {"Cookie": config.headers["set-cookie"].partition(";")[0]}
            async with websocket(mqtt_url(url), subprotocols=MQTT, additional_headers=cookie, proxy=None) as page:
                await page.send(bytes.fromhex("100f 0004 4d515454 05 02 0000 00 0002 4142"))  # CONNECT as "AB"
                assert bytes(await page.recv(decode=False))[0] == 0x20  # CONNACK
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
