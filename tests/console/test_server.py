"""What the console's server sends, and how it is started."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
from PIL import Image

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.page import BUILT, page_files
from robot_node.console.server import Console, serve_console, serve_with_robot
from robot_node.errors import NotReadyError, SettingsError
from robot_node.face.expressions import EXPRESSIONS
from robot_node.settings.loading import load_settings
from tests.console.browser import serving
from tests.end_to_end.robot_process import environment, wait_until_online
from tests.waiting import DEADLINE_S, eventually

SOURCES = BUILT.parent


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Where a console is."""
    async with serving(Console(port=0, broker_url="wss://broker.example/mqtt", username="anna")) as url:
        yield url


async def get(url: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    """Ask for a page."""

    def ask() -> tuple[HTTPResponse, bytes]:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  # our own server
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:  # noqa: S310  # our own server
            assert isinstance(response, HTTPResponse)
            return response, response.read()

    return await asyncio.to_thread(ask)


async def test_the_page_is_sent_with_a_strict_policy_and_compressed(address: str) -> None:
    response, page = await get(address)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:", policy)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    script = re.search(r'src="\./(assets/[^"]+\.js)"', page.decode())
    assert script
    whole, code = await get(address + script[1])
    packed, compressed = await get(address + script[1], **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed) == code
    assert "immutable" in whole.headers["Cache-Control"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        await get(address + "../server.py")


async def test_the_defaults_are_served_and_no_password_is(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    _, text = await get(address + "config.json")
    config = json.loads(text)
    assert config.pop("version")
    assert config == {"brokerUrl": "wss://broker.example/mqtt", "username": "anna", "iceServers": []}

    monkeypatch.setenv("ROBOT_NODE_BROKER__PASSWORD", "hunter2")
    settings = load_settings(
        overrides={
            "broker": {"url": "ws://broker.example:8083/mqtt"},
            "webrtc": {"ice_servers": ["stun:a:3478", "turn:user:word@b:3478"]},
        }
    )
    served = Console.from_settings(settings).config()
    assert "hunter2" not in json.dumps(served)
    assert "password" not in served
    assert served["brokerUrl"] == "/mqtt"
    assert served["iceServers"] == [
        {"urls": "stun:a:3478"},
        {"urls": "turn:b:3478", "username": "user", "credential": "word"},
    ]


@pytest.mark.parametrize(
    ("url", "robot", "origin"),
    [
        ("https://sfu.example:8889/{server_id}/whep?a=b", "", " https://sfu.example:8889"),
        ("https://sfu.example/some-secret", "r2", " https://sfu.example"),
        ("/whep", "r2", ""),
    ],
)
async def test_the_page_watches_by_whep_where_its_owner_says_so(url: str, robot: str, origin: str) -> None:
    settings = load_settings(
        overrides={"robot": {"server_id": "r2"}, "console": {"port": 0, "whep_url": url, "whep_token": "s3cret"}}
    )
    async with serving(Console.from_settings(settings)) as address:
        for path in ("", "config.json"):
            response, body = await get(address + path)
            assert f"; connect-src 'self' ws: wss:{origin}; " in response.headers["Content-Security-Policy"]
    assert json.loads(body)["whep"] == {"url": url, "token": "s3cret", "serverId": robot}
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "sfu.example/whep",
        "ws://sfu.example",
        "//sfu.example",
        "https://u:p@sfu.example",
        "https://a;b/",
        "https://{server_id}.b/",
    ],
)
def test_an_address_that_cannot_be_watched_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"console\.whep_url"):
        load_settings(overrides={"console": {"whep_url": url}})


async def test_a_page_of_another_site_gets_nothing_under_a_name_of_its_own(address: str) -> None:
    """Whose owner lets it mean this machine: the passwords of TURN servers are in /config.json."""
    for path in ("", "config.json", "faces/happy.png"):
        with pytest.raises(urllib.error.HTTPError, match="421") as refused:
            await get(address + path, Host="robots.attacker.example:8088")
        assert b"Use its IP address" in refused.value.read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await get(address + path, Origin="https://attacker.example")
    _, text = await get(address + "config.json", Host="localhost:8088", Origin="http://localhost:8088")
    assert json.loads(text)["username"] == "anna"


async def test_every_emotion_has_a_face(address: str) -> None:
    faces = set()
    for emotion in EXPRESSIONS:
        _, png = await get(f"{address}faces/{emotion}.png")
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.size == (128, 64)
            faces.add(picture.getchannel("A").tobytes())
    assert len(faces) == len(EXPRESSIONS)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        await get(f"{address}faces/bored.png")


async def test_what_stands_in_the_way_is_said(address: str, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="make setup"):
        page_files(tmp_path)
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(SettingsError, match=f"annot listen at 127.0.0.1:{port}"):
        await serve_console(Console(port=port))


async def test_a_robot_goes_on_without_a_page_that_would_open_its_broker() -> None:
    settings = load_settings(overrides={"console": {"host": "0.0.0.0", "port": 0}})  # noqa: S104  # refused
    with pytest.raises(NotReadyError, match="needs a token"):
        await serve_with_robot(settings)


async def test_a_robot_serves_the_page_when_asked_and_lives_without_it(broker: PrivateBroker, tmp_path: Path) -> None:
    async with serving(Console(port=0)) as taken:
        port = taken.rstrip("/").rpartition(":")[2]
        for wanted, said in (
            ("0", r"Console at (http://127\.0\.0\.1:\d+/)"),
            (port, "The service console does not work: Cannot"),
        ):
            log = tmp_path / f"log-{wanted}"
            console = {"ROBOT_NODE_CONSOLE__ENABLED": "true", "ROBOT_NODE_CONSOLE__PORT": wanted}
            with log.open("wb") as out:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "robot_node", "run", "--simulated"),
                    *("--server-id", "robot-under-test", "--server-name", "tests/robot"),
                    stderr=out,
                    env=environment(broker, console),
                )
            try:
                await wait_until_online(broker)
                # It is online before a page that nobody waits for is served.
                await eventually(lambda: re.search(said, log.read_text()), said)  # noqa: B023  # called at once
                for url in re.findall(r"Console at (\S+)", log.read_text()):
                    await get(url)
                process.terminate()
                assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
            finally:
                if process.returncode is None:
                    process.kill()


def test_the_lock_file_names_no_download_address() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]
    assert [name for name, entry in lock["packages"].items() if name and "integrity" not in entry] == []
    npmrc = (SOURCES / ".npmrc").read_text()
    assert "registry" not in npmrc


def test_nothing_that_is_built_or_fetched_is_in_git() -> None:
    git = shutil.which("git")
    if git is None or not (SOURCES.parents[1] / ".git").exists():
        return  # a copy of the sources without their history
    import subprocess  # only here

    listed = subprocess.run(  # found on the path by name
        [git, "ls-files", "--", str(SOURCES)], capture_output=True, text=True, check=True, cwd=SOURCES
    )
    assert not re.search(r"(^|/)(dist|node_modules)/", listed.stdout, re.MULTILINE)
