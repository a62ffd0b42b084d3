"""Middleware of the bridge over HTTP: bearer tokens, sizes of messages, versions of MCP, a log of refusals."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import AnyHttpUrl
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robot_node.apps.bridge.tokens import HttpAccess, Tokens
from robot_node.core.json_limits import check_json
from robot_node.core.text import one_line
from robot_node.core.wrong_tokens import WrongTokens
from robot_node.mcp_mqtt.jsonrpc import MAX_VALUES
from robot_node.mcp_mqtt.notices import Notices

logger = logging.getLogger(__name__)

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_VERSIONS = [*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS]
_REASONS = {
    401: "no valid token",
    403: "forbidden",
    413: "the body is too large",
    429: "too many wrong tokens",
    503: "all sessions are in use",
}


class BearerOnly:
    """Passes requests with a valid bearer token on, and answers for the metadata of the resource (RFC 9728).

    Args:
        app: What it protects.
        access: The valid tokens.
        url: The bridge's URL for agents.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self, app: ASGIApp, access: HttpAccess, url: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._backend = BearerAuthBackend(Tokens(access, url))
        self._wrong = WrongTokens(clock)
        resource = AnyHttpUrl(url)
        metadata_url = build_resource_metadata_url(resource) if access.issuers else None
        self._guarded = RequireAuthMiddleware(app, [], metadata_url)
        issuers = [AnyHttpUrl(issuer) for issuer in access.issuers]
        routes = create_protected_resource_routes(resource, issuers, resource_name="Robots") if issuers else []
        # Some clients look only at the root.
        routes += [Route(_WELL_KNOWN, route.endpoint, methods=["GET", "OPTIONS"]) for route in routes]
        self._metadata = Router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(_WELL_KNOWN):
            await self._metadata(scope, receive, send)
        else:
            await self._check(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (refusal := self._wrong.refusal(scope)) is not None:
            await refusal(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if (found := await self._backend.authenticate(connection)) is not None:
            scope = {**scope, **dict(zip(("auth", "user"), found, strict=True))}
        elif "authorization" in connection.headers:
            self._wrong.note(scope)
        await self._guarded(scope, receive, send)


class UsableMessages:
    """Refuses messages that hold too many JSON values, and unknown versions of MCP, before the SDK parses them.

    Needs the whole body in one piece.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        first = await receive()
        body = first.get("body", b"")
        try:
            check_json(body, max_values=MAX_VALUES)
        except ValueError as error:
            await PlainTextResponse(f"The body is too large. {error}\n", 413)(scope, receive, send)
            return
        version = Headers(scope=scope).get(MCP_PROTOCOL_VERSION_HEADER)
        if version is not None and version not in _VERSIONS:
            await _unknown_version(version, body)(scope, receive, send)
            return
        waiting = [first]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


def _unknown_version(version: str, body: bytes) -> JSONResponse:
    try:
        message = json.loads(body)
    except ValueError:
        message = None
    request_id = message.get("id") if isinstance(message, dict) else None
    shown = one_line(version, 40)
    text = f"MCP-Protocol-Version is {shown!r}, which the bridge does not know. It knows: {', '.join(_VERSIONS)}."
    data = {"supported": _VERSIONS, "requested": shown}
    error = {"code": UNSUPPORTED_PROTOCOL_VERSION, "message": text, "data": data}
    known_id = request_id if isinstance(request_id, str | int) else None
    return JSONResponse({"jsonrpc": "2.0", "id": known_id, "error": error}, 400)


class RefusalLog:
    """Logs the requests that are refused: nobody else would know why an agent has no robots."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._notices = Notices(logger.warning, time.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and (reason := _REASONS.get(message["status"])):
                host = (scope.get("client") or ("an unknown address",))[0]
                self._notices.note(reason, f"Refused a request from {host}: {message['status']}, {reason}.")
            await send(message)

        await self._app(scope, receive, watched)
