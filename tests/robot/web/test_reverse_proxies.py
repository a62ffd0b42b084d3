"""A robot's HTTP server behind real nginx and Caddy with TLS, and coturn: the recipes of docs/remote.md."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import httpx2
import pytest
from PIL import Image
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.page import page_files
from robot_node.console.server import Console, page_routes
from robot_node.errors import RemoteError
from robot_node.mqtt import Broker
from robot_node.robot.web.mqtt import MqttProxy
from robot_node.settings.http import HttpSettings
from robot_node.settings.loading import load_settings
from robot_node.webrtc.ice_probe import ask_ice_server
from robot_node.webrtc.ice_servers import parse_ice_server
from tests.robot.web.conftest import HttpServer, running_server
from tests.robot.web.reverse_proxies import NAME, RECIPES, ReverseProxy, name_of_this_machine, reverse_proxy
from tests.robot.web.test_pictures import pictures_in
from tests.robot.web.test_whep import Player
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.ice_helpers import turn_server

ROBOT = HttpSettings(**{**tomllib.loads(RECIPES["robot"])["http"], "port": 0, "stream_frame_rate": 0.001})
"""As in the recipe. MJPEG has one picture in a quarter of an hour: no second one pushes the first through a buffer."""

BEARER = {"Authorization": f"Bearer {ROBOT.token}"}
PASSWORD = httpx2.BasicAuth("anna", ROBOT.token)


@dataclass(frozen=True)
class Site:
    """A robot, its broker, and the proxy before it."""

    robot: HttpServer
    broker: PrivateBroker
    proxy: ReverseProxy


@pytest.fixture(params=["nginx", "caddy"])
async def site(
    request: pytest.FixtureRequest, broker: PrivateBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    """A robot as in the recipe, with everything at one port, behind each proxy; its camera is on."""
    name_of_this_machine(monkeypatch)
    there = Broker.from_url(broker.url)
    page = page_routes(Console(broker_url="/mqtt"), page_files())
    async with (
        running_server(ROBOT, there, [MqttProxy(there).route(), *page]) as robot,
        reverse_proxy(request.param, urlsplit(robot.url).netloc, tmp_path) as proxy,
    ):
        await robot.camera.start()
        yield Site(robot, broker, proxy)


@pytest.mark.peer("nginx", works="TLS: the page, snapshots, MQTT over WebSocket")
@pytest.mark.peer("Caddy", works="TLS: the page, snapshots, MQTT over WebSocket")
async def test_the_page_its_pictures_and_mqtt_come_through(site: Site) -> None:
    async with site.proxy.client() as browser:
        page = await browser.get("/", auth=PASSWORD)
        script = re.search(r'src="\./(assets/[^"]+\.js)"', page.text)
        assert script
        # From here on by the cookie, which leaves the browser over TLS alone.
        assert "; Secure" in page.headers["set-cookie"]
        assert (await browser.get(f"/{script[1]}")).status_code == 200
        assert (await browser.get("/config.json")).json()["brokerUrl"] == "/mqtt"
        snapshot = await browser.get("/snapshot.jpg?max_side=64")
        assert Image.open(io.BytesIO(snapshot.content)).size == (64, 48)
        cookie = page.headers["set-cookie"].partition(";")[0]
    async with (
        aiomqtt.Client("127.0.0.1", site.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as other,
        aiomqtt.Client(
            NAME,
            site.proxy.port,
            protocol=aiomqtt.ProtocolVersion.V5,
            transport="websockets",
            websocket_path="/mqtt",
            websocket_headers={"Cookie": cookie},
            tls_context=site.proxy.trust,
        ) as page_client,
    ):
        large = bytes(range(256)) * 1000  # as a photo
        await page_client.subscribe("to/page", qos=1)
        await other.publish("to/page", large, qos=1)
        async with asyncio.timeout(DEADLINE_S):
            assert (await anext(aiter(page_client.messages))).payload == large


@pytest.mark.peer("nginx", works="MJPEG without buffering")
@pytest.mark.peer("Caddy", works="MJPEG without buffering")
async def test_a_picture_of_mjpeg_is_there_at_once(site: Site) -> None:
    async with (
        site.proxy.client(headers=BEARER) as client,
        client.stream("GET", "/stream.mjpeg") as response,
        asyncio.timeout(DEADLINE_S),
    ):
        picture = await anext(pictures_in(response))
        assert Image.open(io.BytesIO(picture)).size == (320, 240)


@pytest.mark.peer("nginx", works="WHEP")
@pytest.mark.peer("Caddy", works="WHEP")
async def test_a_whep_player_plays_until_it_deletes_its_session(site: Site) -> None:
    async with site.proxy.client(headers=BEARER) as client:
        player = Player(replace(site.robot, client=client))
        await player.play()
        assert (await player.frame()).width == 320
        assert (await client.delete(player.session)).status_code == 200
        await eventually(lambda: site.robot.state.snapshot.viewers == 0)
        await player.rtc.close()


async def test_strangers_are_refused_and_a_guesser_keeps_nobody_else_out(site: Site) -> None:
    async with site.proxy.client() as stranger:
        for path in ("/", "/config.json", "/snapshot.jpg", "/stream.mjpeg", "/whep", "/metrics"):
            assert (await stranger.get(path)).status_code == 401
    async with site.proxy.client(source="127.0.0.2", headers={"Authorization": "Bearer wrong-wrong-wrong"}) as guesser:
        # Where a client is, only the proxy may say.
        lies = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(12)]
        answers = [(await guesser.get("/snapshot.jpg", headers=lie)).status_code for lie in lies]
        assert answers[0] == 401
        assert answers[-1] == 429
    async with site.proxy.client(headers=BEARER) as owner:
        assert (await owner.get("/snapshot.jpg")).status_code == 200


async def test_pages_of_other_sites_get_no_mqtt_and_the_proxy_s_own_does(site: Site) -> None:
    async def opens(origin: str) -> None:
        async with websocket(
            f"wss://{NAME}:{site.proxy.port}/mqtt",
            ssl=site.proxy.trust,
            origin=Origin(origin),
            subprotocols=[Subprotocol("mqtt")],
            additional_headers=BEARER,
            proxy=None,
        ):
            pass

    for origin in ("https://evil.example", f"https://{NAME}.evil.example"):
        with pytest.raises(InvalidStatus, match="403"):
            await opens(origin)
    await opens(site.proxy.url)


@pytest.mark.peer("coturn", works="the file of the guide: an allocation after a password")
async def test_coturn_takes_its_file_and_relays_after_a_password(tmp_path: Path) -> None:
    (url,) = load_settings(overrides={"webrtc": tomllib.loads(RECIPES["ice servers"])["webrtc"]}).webrtc.ice_servers
    log = tmp_path / "log"
    async with turn_server(RECIPES["coturn"], log) as port:
        here = url.replace("turn.example.org:3478", f"127.0.0.1:{port}")
        assert (await ask_ice_server(parse_ice_server(here), DEADLINE_S)).startswith("127.0.0.1:")
        with pytest.raises(RemoteError):
            await ask_ice_server(parse_ice_server(here.replace("make-one", "guessed")), DEADLINE_S)
    assert not re.findall(r".*(?:[Bb]ad configuration|[Uu]nknown|[Uu]nrecogni[sz]ed|CONFIG ERROR).*", log.read_text())


def test_the_keys_and_files_of_wireguard_are_taken(tmp_path: Path) -> None:
    keys = dict[str, str]()
    for who in ("ROBOT", "PHONE"):
        folder = tmp_path / who
        folder.mkdir()
        subprocess.run(["bash", "-euc", RECIPES["keys"]], cwd=folder, check=True)
        keys |= {
            f"{who}_{kind.upper()}_KEY": (folder / f"{kind}.key").read_text().strip() for kind in ("private", "public")
        }
        assert (folder / "private.key").stat().st_mode & 0o077 == 0
    for who, allowed in (("robot", "10.90.0.2/32"), ("phone", "10.90.0.1/32")):
        text = RECIPES[f"wireguard {who}"]
        for name, key in keys.items():
            text = text.replace(name, key)
        (tmp_path / "wg0.conf").write_text(text)
        (tmp_path / "wg0.conf").chmod(0o600)
        stripped = subprocess.run(
            ["wg-quick", "strip", str(tmp_path / "wg0.conf")], capture_output=True, text=True, check=True
        ).stdout
        assert f"AllowedIPs = {allowed}" in stripped
        assert "Address" not in stripped
