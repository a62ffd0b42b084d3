"""Snapshots and MJPEG: what a player or a camera card gets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import httpx2
import pytest
from PIL import Image

from robot_node.settings.http import HttpSettings
from tests.robot.web.conftest import HttpServer, running_server
from tests.waiting import eventually


async def pictures_in(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Read the pictures as browsers do: by their boundary and their length."""
    _, _, boundary = response.headers["content-type"].partition("boundary=")
    received = b""
    async for chunk in response.aiter_raw():
        received += chunk
        while b"\r\n\r\n" in received:
            head, _, rest = received.partition(b"\r\n\r\n")
            assert head.startswith(f"--{boundary}\r\n".encode())
            length = int(head.rpartition(b"Content-Length: ")[2])
            if len(rest) < length + 2:
                break
            picture, received = rest[:length], rest[length + 2 :]
            yield picture


async def test_a_snapshot_is_a_photo_of_the_size_that_is_asked_for(server: HttpServer) -> None:
    await server.camera.start()
    whole, small = await asyncio.gather(
        server.client.get("/snapshot.jpg"), server.client.get("/snapshot.jpg?max_side=64")
    )
    assert whole.headers["content-type"] == "image/jpeg"
    assert whole.headers["cache-control"] == "no-store"
    assert [Image.open(io.BytesIO(each.content)).size for each in (whole, small)] == [(320, 240), (64, 48)]


async def test_without_a_picture_the_reason_is_told(server: HttpServer) -> None:
    for path in ("/snapshot.jpg", "/stream.mjpeg"):
        response = await server.client.get(path)
        assert response.status_code == 503
        assert "The camera is off." in response.text


async def test_what_cannot_be_asked_for_is_refused(server: HttpServer) -> None:
    for query in ("quality=2", "max_side=3", "quality=high", "max_side=1e3"):
        assert (await server.client.get(f"/snapshot.jpg?{query}")).status_code == 400


async def test_a_stream_shows_what_moves_and_ends_with_the_camera(server: HttpServer) -> None:
    await server.camera.start()
    async with server.client.stream("GET", "/stream.mjpeg") as response:
        seen = set[bytes]()
        async for picture in pictures_in(response):
            assert Image.open(io.BytesIO(picture)).size == (320, 240)
            seen.add(picture)
            if len(seen) == 3:
                await server.camera.stop()
    await eventually(lambda: server.pictures.streams == 0)


async def test_one_photo_serves_all_streams_and_none_is_taken_for_nobody(server: HttpServer) -> None:
    await server.camera.start()
    async with (
        server.client.stream("GET", "/stream.mjpeg") as one,
        server.client.stream("GET", "/stream.mjpeg") as other,
    ):
        first, second = pictures_in(one), pictures_in(other)
        same = {await anext(first) for _ in range(4)} & {await anext(second) for _ in range(4)}
        assert same
    await eventually(lambda: server.pictures.streams == 0)
    await eventually(lambda: "MJPEG pictures" not in {task.get_name() for task in asyncio.all_tasks()})


@pytest.mark.parametrize("camera", ["front", "rear"])
async def test_more_streams_than_permitted_are_refused(camera: str) -> None:
    async with running_server(HttpSettings(port=0, max_streams=1)) as server:
        await server.camera.start()
        async with server.client.stream("GET", "/stream.mjpeg"):
            refused = await server.client.get("/stream.mjpeg", params={"camera": camera})
            assert refused.status_code == 503
            assert "1 streams already" in refused.text
            assert "Retry-After" in refused.headers
