"""Pictures over HTTP of a robot with two cameras: the query says of which."""

from __future__ import annotations

from tests.markers import marker_of_jpeg
from tests.robot.web.conftest import HttpServer
from tests.robot.web.test_pictures import pictures_in


async def test_the_query_names_the_camera_and_an_unknown_one_is_told(server: HttpServer) -> None:
    for camera in server.cameras.values():
        await camera.start()
    found = [(await server.client.get(f"/snapshot.jpg{query}")).content for query in ("", "?camera=rear")]
    assert [marker_of_jpeg(photo) for photo in found] == [0, 1]
    for path in ("/snapshot.jpg", "/stream.mjpeg"):
        unknown = await server.client.get(f"{path}?camera=left")
        assert unknown.status_code == 404
        assert unknown.text == "There is no such camera; there are: front, rear.\n"


async def test_a_stream_is_of_the_camera_that_its_query_names(server: HttpServer) -> None:
    await server.cameras["rear"].start()
    async with server.client.stream("GET", "/stream.mjpeg?camera=rear") as response:
        picture = await anext(pictures_in(response))
    assert marker_of_jpeg(picture) == 1
