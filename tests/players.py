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
from PIL import Image

from hw_mocks.clock_scene import read_stamp
from tests.guide import blocks
from tests.waiting import DEADLINE_S, eventually

_THERE = "http://192.168.1.20:8080/"
_NO_SCREEN = (
    "--intf dummy --vout dummy --no-audio --video-filter=scene --scene-format=png --scene-ratio=1 --scene-path=."
)
# VLC refuses to run as root.
_AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()


class Players:
    """Runs commands of the page for one robot, each in a folder of its own.

    Args:
        url: Of the robot's HTTP server.
        token: Its token.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._token = url, token
        self._commands = blocks("players.md")

    async def curl(self) -> Image.Image:
        """The photo that it saves."""
        with _folder() as folder:
            await self._run(self._command("curl", {}), folder)
            return _read(folder / "picture.jpg")

    async def ffmpeg(self) -> list[Image.Image]:
        """The first three pictures that it records."""
        with _folder() as folder:
            await self._run(self._command("ffmpeg", {"-t 10": "-frames:v 3"}), folder)
            with av.open(folder / "clip.mkv") as clip:
                return [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]

    async def gstreamer(self) -> Image.Image:
        """The first picture that it shows."""
        with _folder() as folder:
            sink = "identity eos-after=3 ! pngenc ! multifilesink location=%d.png"
            await self._run(self._command("gstreamer", {"autovideosink": sink}), folder)
            return _read(folder / "0.png")

    async def vlc(self) -> Image.Image:
        """The first picture that it shows."""
        with _folder() as folder:

            def shown() -> list[Path]:
                return sorted(folder.glob("*.png"))

            command = self._command("vlc", {"cvlc": f"cvlc {_NO_SCREEN}"})
            async with self._running(command, folder, *_AS_NOBODY) as process:
                # The second: the first one is complete then.
                await eventually(lambda: process.returncode is not None or len(shown()) > 1)
            return _read(shown()[0])

    def _command(self, name: str, other: dict[str, str]) -> str:
        """A command of the page for this robot; what would need a screen, or would not end, in other words."""
        text = self._commands[name]
        assert all(old in text for old in other)
        for old, new in {_THERE: self._url, _host(_THERE): _host(self._url), **other}.items():
            text = text.replace(old, new)
        assert "192.168" not in text
        return text

    async def _run(self, command: str, folder: Path) -> None:
        async with self._running(command, folder) as process, asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0

    @contextlib.asynccontextmanager
    async def _running(self, command: str, folder: Path, *before: str) -> AsyncIterator[Process]:
        """A command in a shell, ended with all that it has started."""
        with (folder / "printed").open("wb") as printed:
            process = await asyncio.create_subprocess_exec(
                *(*before, "bash", "-euc", command),
                cwd=folder,
                env=os.environ | {"TOKEN": self._token, "HOME": str(folder)},
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


def assert_is_of_the_camera(picture: Image.Image, size: tuple[int, int]) -> None:
    """It shows the simulated clock."""
    # VLC makes it as high as its buffer: a multiple of 16 lines, and 16 more.
    assert picture.width == size[0]
    assert read_stamp(np.asarray(picture.resize(size).convert("L"))) is not None


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder that every user can write to."""
    with tempfile.TemporaryDirectory(prefix="players-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def _host(url: str) -> str:
    return url.removeprefix("http://")


def _read(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        picture.load()
        return picture
