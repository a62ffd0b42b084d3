"""The page watches at a media server of another origin, in Chromium, which obeys CORS and the page's policy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console, WhepEndpoint
from robot_node.core.web_server import listen
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import websocket_url
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, wait_until_online
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "token-of-the-media-server"
# As mediamtx answers: internal/servers/webrtc/http_server.go.
CORS = {
    "Access-Control-Allow-Methods": "OPTIONS, GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Expose-Headers": "ETag, ID, Accept-Patch, Link, Location",
}
_PASSED_ON = ("content-type", "location", "etag", "link")


@dataclass
class MediaServer:
    """A WHEP endpoint of its own origin, which gets its video from the robot's; that one lets no other origin in.

    Attributes:
        behind: The robot's HTTP server.
        url: Of this server.
        lets_in: The origin that its CORS headers name; empty: none.
        refuses: How it answers offers; None: with a session.
        requests: What the page has asked for: method, and path.
    """

    behind: httpx2.AsyncClient
    url: str = ""
    lets_in: str = ""
    refuses: Response | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)

    async def handle(self, request: Request) -> Response:
        """Answer a request of the page."""
        cors = {"Access-Control-Allow-Origin": self.lets_in, **CORS} if self.lets_in else {}
        if request.method == "OPTIONS":  # a preflight has no token
            return Response(status_code=204, headers=cors)
        self.requests.append((request.method, request.url.path))
        response = await self._answer(request)
        response.headers.update(cors)
        return response

    async def _answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response("wrong token", 401)
        if request.method == "POST" and self.refuses is not None:
            return self.refuses
        path = request.url.path.replace(f"/{SERVER_ID}/whep", "/whep")
        kind = {"Content-Type": request.headers.get("content-type", "")}
        answer = await self.behind.request(request.method, path, content=await request.body(), headers=kind)
        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        return Response(answer.content, answer.status_code, headers)


@contextlib.asynccontextmanager
async def media_server(behind: str) -> AsyncIterator[MediaServer]:
    """Serve one."""
    async with httpx2.AsyncClient(base_url=behind, trust_env=False) as client:
        server = MediaServer(client)
        app = Starlette(routes=[Route("/{path:path}", server.handle, methods=["OPTIONS", "POST", "PATCH", "DELETE"])])
        # Ours, of robot_node.core, lets no other origin in.
        served = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
        with await listen("127.0.0.1", 0, remedy="") as listener:
            server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            serving_it = asyncio.create_task(served.serve([listener]), name="media server")
            try:
                yield server
            finally:
                served.should_exit = True
                await serving_it


@dataclass(frozen=True)
class Site:
    """The page, the robot whose camera is on, and the media server that the page is to watch at."""

    address: str
    robot: RobotProcess
    server: MediaServer

    @property
    def origin(self) -> str:
        """Of the page."""
        return self.address.rstrip("/")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """All of it, for the tests here."""
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(PrivateBroker(websocket_port=0))
        settings = {"HTTP__ENABLED": "true", "HTTP__PORT": str(port), "CAMERA__ON_AT_START": "true"}
        robot = RobotProcess(
            broker,
            tmp_path_factory.mktemp("robot"),
            settings={f"ROBOT_NODE_{key}": value for key, value in settings.items()},
        )
        stack.push_async_callback(robot.kill)
        await robot.start()
        await wait_until_online(broker)
        await eventually(lambda: "HTTP at " in robot.log, "the HTTP server is up")
        server = await stack.enter_async_context(media_server(f"http://127.0.0.1:{port}"))
        endpoint = WhepEndpoint(f"{server.url}/{{server_id}}/whep", TOKEN)
        console = Console(port=0, broker_url=websocket_url(broker), whep=endpoint)
        yield Site(await stack.enter_async_context(serving(console)), robot, server)


@pytest_asyncio.fixture(loop_scope="session")
async def page(site: Site, browser: Browser, tmp_path: Path) -> AsyncIterator[ConsolePage]:
    """The page, which asks no other server than that one."""
    async with visit(browser, site.address, tmp_path) as opened:
        yield opened
        assert all(url.startswith(site.server.url) for url in opened.elsewhere)
        opened.elsewhere.clear()


@pytest.mark.slow
async def test_the_page_watches_at_a_server_of_another_origin_that_lets_it_in(site: Site, page: ConsolePage) -> None:
    site.server.lets_in = site.origin
    await page.moving_pictures()
    assert "Viewer 'http/" in site.robot.log
    assert site.server.requests[0] == ("POST", f"/{SERVER_ID}/whep")
    assert {method for method, _ in site.server.requests} == {"POST", "PATCH"}
    await page.camera.click()
    # The browser lets the page read the session's address: it is among the exposed headers.
    await eventually(lambda: site.server.requests[-1][0] == "DELETE")
    await page.camera.click()
    await page.moving_pictures()
    # The browser itself reports this: of a candidate on its way when its session ends.
    page.errors[:] = [error for error in page.errors if "status of 404" not in error]


async def test_a_server_that_does_not_let_the_page_in_is_named_and_a_refusal_has_its_reason(
    site: Site, page: ConsolePage
) -> None:
    site.server.lets_in = "https://another.example"
    await page.sees(page.overlay, f"The media server at {site.server.url} does not answer: it is down, or does not let")
    site.server.lets_in = site.origin
    site.server.refuses = Response("v=0", 406, media_type="application/sdp")
    await page.sees(page.overlay, "The media server refuses: 406, with an offer of its own")
    site.server.refuses = None
    await page.button("Try again now").click()
    await page.moving_pictures()
    # What the browser itself reports.
    assert all("CORS policy" in error or "status of 406" in error for error in page.errors), page.errors
    page.errors.clear()
