"""A WHIP endpoint (RFC 9725) before a room of Janus, which also misbehaves where a test says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from robot_node.core.web_server import listen, serve_app
from tests.janus import Janus, JanusError, Participant
from tests.waiting import eventually

TOKEN = "token-of-the-server"
Misbehaviour = Callable[[Request], Awaitable[Response]]


def answering(status: int, text: str = "", **headers: str) -> Misbehaviour:
    """Answer with this, whatever was asked; ``retry_after`` becomes the header Retry-After."""

    async def answer(_: Request) -> Response:
        return Response(text, status, {name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def silent(_: Request) -> Response:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


class WhipFront:
    """The endpoint.

    Args:
        janus: Where the offers go; None: none gets there.

    Attributes:
        url: Of the endpoint.
        requests: Method and path of each request, in order.
        authorizations: The header of each request.
        misbehaviours: For the next requests of a method, the first one first.
        publishers: Who publishes, by path of the session.
        headers: Further headers of each 201; an empty Location is left out.
        links: Link headers of each 201.
    """

    def __init__(self, janus: Janus | None = None) -> None:
        self.janus = janus
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[str] = []
        self.offers: list[str] = []
        self.misbehaviours: dict[str, deque[Misbehaviour]] = {each: deque() for each in ("POST", "DELETE", "PATCH")}
        self.publishers: dict[str, Participant] = {}
        self.fragments: list[str] = []
        self.headers: dict[str, str] = {}
        self.links: list[str] = []

    @property
    def publisher(self) -> Participant:
        """The latest one that is there."""
        return next(reversed(self.publishers.values()))

    def count(self, method: str) -> int:
        """How many requests of a method there were."""
        return sum(each == method for each, _ in self.requests)

    async def asked(self, method: str, times: int = 1) -> None:
        """Wait for requests."""
        await eventually(lambda: self.count(method) >= times, f"{times} {method}, of {self.requests}")

    async def published(self) -> Participant:
        """Wait until there is a publisher whose connection is up; return it."""
        await eventually(lambda: self.publishers, "an offer is answered")
        await self.publisher.happened("webrtcup")
        return self.publisher

    async def handle(self, request: Request) -> Response:
        """Answer a request."""
        method, path = request.method, request.url.path
        self.requests.append((method, path))
        self.authorizations.append(request.headers.get("authorization", ""))
        if self.misbehaviours[method]:
            return await self.misbehaviours[method].popleft()(request)
        if self.authorizations[-1] != f"Bearer {TOKEN}":
            return Response("wrong token", 403)
        match method:
            case "POST":
                return await self._offer(request)
            case "DELETE":
                return await self._delete(path)
            case _:
                self.fragments.append((await request.body()).decode())
                return Response(status_code=204)

    async def _offer(self, request: Request) -> Response:
        assert request.headers["content-type"] == "application/sdp"
        offer = (await request.body()).decode()
        self.offers.append(offer)
        if self.janus is None:
            return Response("no media server", 503)
        try:
            publisher, answer = await self.janus.publish(offer)
        except JanusError as error:
            return Response(str(error), 422)
        path = f"/whip/session/{len(self.offers)}"
        self.publishers[path] = publisher
        headers = {"Location": path, "ETag": '"1"'} | self.headers
        response = Response(answer, 201, {k: v for k, v in headers.items() if v}, "application/sdp")
        for link in self.links:
            response.headers.append("Link", link)
        return response

    async def _delete(self, path: str) -> Response:
        publisher = self.publishers.pop(path, None)
        if publisher is None:
            return Response(status_code=404)
        with contextlib.suppress(JanusError):
            await publisher.leave()
        return Response(status_code=200)


@contextlib.asynccontextmanager
async def whip_front(janus: Janus | None = None, *, tls: tuple[Path, Path] | None = None) -> AsyncIterator[WhipFront]:
    """Serve one at a free port; with the files of a certificate for localhost and its key by https."""
    front = WhipFront(janus)
    host = "127.0.0.1"
    listener = await listen(host, 0, remedy="")
    server = f"https://localhost:{listener.getsockname()[1]}" if tls else f"http://{host}:{listener.getsockname()[1]}"
    front.url = f"{server}/whip"
    methods = ["POST", "DELETE", "PATCH"]
    app = Starlette(routes=[Route("/{path:path}", front.handle, methods=methods)])
    serving = asyncio.create_task(serve_app(app, listener, host=host, name="WHIP front", lifespan="off", tls=tls))
    try:
        yield front
    finally:
        serving.cancel()
        await asyncio.wait({serving})
