"""The commands of docs/players.md at a robot that wants a token."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from robot_node.settings.http import HttpSettings
from tests.guide import blocks
from tests.players import Players, assert_is_of_the_camera
from tests.ports import free_port
from tests.robot.web.conftest import TOKEN, HttpServer, running_server
from tests.robot.web.reverse_proxies import nginx, running
from tests.robot.web.test_pictures import pictures_in
from tests.waiting import eventually

SIZE = (320, 240)


@pytest.fixture
async def robot() -> AsyncIterator[HttpServer]:
    """A robot with a token, whose camera is on."""
    async with running_server(HttpSettings(port=0, token=TOKEN)) as server:
        await server.camera.start()
        yield server


@pytest.fixture
def players(robot: HttpServer) -> Players:
    """The programs, for this robot."""
    return Players(robot.url, TOKEN)


async def test_curl_saves_a_photo(players: Players) -> None:
    assert_is_of_the_camera(await players.curl(), SIZE)


@pytest.mark.peer("ffmpeg", works="MJPEG over HTTP with the token as password, saved and decoded")
async def test_ffmpeg_records_the_stream(players: Players) -> None:
    first, second, third = await players.ffmpeg()
    assert_is_of_the_camera(first, SIZE)
    assert len({frame.tobytes() for frame in (first, second, third)}) > 1


@pytest.mark.peer("GStreamer", works="MJPEG over HTTP with the token as password")
async def test_gstreamer_shows_the_stream(players: Players) -> None:
    assert_is_of_the_camera(await players.gstreamer(), SIZE)


@pytest.mark.peer("VLC", works="MJPEG over HTTP with the token as password")
async def test_vlc_shows_the_stream_until_it_is_closed(players: Players, robot: HttpServer) -> None:
    assert_is_of_the_camera(await players.vlc(), SIZE)
    await eventually(lambda: robot.pictures.streams == 0)


async def test_the_proxy_before_octoprint_adds_the_token(robot: HttpServer, tmp_path: Path) -> None:
    location = blocks("players.md")["octoprint"]
    for old, new in (("192.168.1.20:8080", urlsplit(robot.url).netloc), ("Bearer TOKEN", f"Bearer {TOKEN}")):
        assert old in location
        location = location.replace(old, new)
    port = free_port()
    server = f"server {{ listen 127.0.0.1:{port}; {location} }}"
    async with (
        running(nginx(tmp_path, server), tmp_path, port),
        robot.client.stream("GET", f"http://127.0.0.1:{port}/robot.mjpeg") as response,
    ):
        with Image.open(io.BytesIO(await anext(pictures_in(response)))) as picture:
            assert_is_of_the_camera(picture, SIZE)
