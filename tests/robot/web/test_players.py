"""The commands of docs/players.md, run as they are written there, by the programs that the page names."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from hw_mocks.clock_scene import read_stamp
from robot_node.settings.http import HttpSettings
from tests.guide import blocks
from tests.robot.web.conftest import TOKEN, HttpServer, running_server
from tests.waiting import DEADLINE_S, eventually

COMMANDS = blocks("players.md")
THERE = "http://192.168.1.20:8080/"
# VLC refuses to run as root.
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()


@pytest.fixture
async def robot() -> AsyncIterator[HttpServer]:
    """A robot with a token, whose camera is on."""
    async with running_server(HttpSettings(port=0, token=TOKEN)) as server:
        await server.camera.start()
        yield server


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can write to."""
    with tempfile.TemporaryDirectory(prefix="players-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def command(name: str, robot: HttpServer, **other: str) -> str:
    """A command of the page for this robot; what would need a screen, or would not end, in other words."""
    text = COMMANDS[name]
    for old, new in {
        THERE: robot.url,
        THERE.removeprefix("http://"): robot.url.removeprefix("http://"),
        **other,
    }.items():
        assert old in text or old.endswith(":8080/")
        text = text.replace(old, new)
    assert "192.168" not in text
    return text


@contextlib.asynccontextmanager
async def running(text: str, folder: Path, *before: str) -> AsyncIterator[Process]:
    """A command in a shell, ended with all that it has started."""
    with (folder / "printed").open("wb") as printed:
        process = await asyncio.create_subprocess_exec(
            *(*before, "bash", "-euc", text),
            cwd=folder,
            env=os.environ | {"TOKEN": TOKEN, "HOME": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        print((folder / "printed").read_text(errors="replace"))


async def run(text: str, folder: Path) -> None:
    """A command, to its end."""
    async with running(text, folder) as process, asyncio.timeout(DEADLINE_S):
        assert await process.wait() == 0


def assert_shows(picture: Image.Image) -> None:
    """It is a picture of the simulated camera."""
    assert picture.size == (320, 240)
    assert read_stamp(np.asarray(picture.convert("L"))) is not None


async def test_curl_saves_a_photo(robot: HttpServer, folder: Path) -> None:
    await run(command("curl", robot, **{"max_side=640": "max_side=320"}), folder)
    with Image.open(folder / "picture.jpg") as picture:
        assert_shows(picture)


@pytest.mark.peer("ffmpeg", works="MJPEG over HTTP with the token as password, saved and decoded")
async def test_ffmpeg_records_the_stream(robot: HttpServer, folder: Path) -> None:
    await run(command("ffmpeg", robot, **{"-t 10": "-frames:v 3"}), folder)
    with av.open(folder / "clip.mkv") as clip:
        frames = [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]
    assert len(frames) == 3
    assert_shows(frames[-1])


@pytest.mark.peer("GStreamer", works="MJPEG over HTTP with the token as password")
async def test_gstreamer_shows_the_stream(robot: HttpServer, folder: Path) -> None:
    sink = {"autovideosink": "identity eos-after=3 ! pngenc ! multifilesink location=%d.png"}
    await run(command("gstreamer", robot, **sink), folder)
    with Image.open(folder / "0.png") as picture:
        assert_shows(picture)


@pytest.mark.peer("VLC", works="MJPEG over HTTP with the token as password")
async def test_vlc_shows_the_stream_until_it_is_closed(robot: HttpServer, folder: Path) -> None:
    no_screen = "--intf dummy --vout dummy --no-audio --video-filter=scene --scene-format=png --scene-ratio=1"

    def shown() -> list[Path]:
        return sorted(folder.glob("*.png"))

    vlc = command("vlc", robot, cvlc=f"cvlc {no_screen} --scene-path=.")
    async with running(vlc, folder, *AS_NOBODY) as process:
        # The second: the first one is complete then.
        await eventually(lambda: process.returncode is not None or len(shown()) > 1)
    with Image.open(shown()[0]) as picture:
        assert_shows(picture.resize((320, 240)))  # VLC makes it as high as its buffer: 16 lines more
    await eventually(lambda: robot.pictures.streams == 0)
