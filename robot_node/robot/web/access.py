"""Access to a web server: its token, as bearer token or as password."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robot_node.core.wrong_tokens import WrongTokens

_CHALLENGE = 'Basic realm="robot-node", charset="UTF-8"'
_MAX_HEADER = 8192


class TokenOnly:
    """ASGI middleware that passes on requests with the token, or with the cookie that stands for it in browsers.

    Args:
        app: What it protects.
        token: The token; empty: everybody may pass.
        open_paths: Paths that need no token.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        *,
        open_paths: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._token = token.encode()
        digest = hmac.digest(self._token, b"cookie of the robot's HTTP server", "sha256").hex()
        # Cookies know no port: servers of one host would take each other's away, had they the same name.
        self._cookie_name, self._cookie = f"robot-node-{digest[:8]}", digest[8:]
        self._open_paths = frozenset(open_paths)
        self._wrong = WrongTokens(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if not self._token or scope["type"] == "lifespan" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._has_cookie(headers):
            await self._app(scope, receive, send)
            return
        if (refusal := self._wrong.refusal(scope)) is not None:
            await refusal(scope, receive, send)
            return
        given = given_token(headers.get("authorization", ""))
        if given is not None and hmac.compare_digest(given, self._token):
            await self._app(scope, receive, self._with_cookie(scope, send))
            return
        if given is not None:
            self._wrong.note(scope)
        text = "The token is needed: as bearer token, or as password with any user name.\n"
        await PlainTextResponse(text, 401, headers={"WWW-Authenticate": _CHALLENGE})(scope, receive, send)

    def _has_cookie(self, headers: Headers) -> bool:
        given = cookie_parser(headers.get("cookie", "")[:_MAX_HEADER]).get(self._cookie_name, "")
        return hmac.compare_digest(given.encode(), self._cookie.encode())

    def _with_cookie(self, scope: Scope, send: Send) -> Send:
        """Give a browser a cookie: its WebSockets send it, and not all send the password."""
        secure = "; Secure" if scope["scheme"] == "https" else ""
        cookie = f"{self._cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict{secure}"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        return send_with_cookie if scope["type"] == "http" else send


def given_token(header: str) -> bytes | None:
    """Return the token in an Authorization header: a bearer token, or the password of a user; None without any."""
    scheme, _, value = header[:_MAX_HEADER].partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip().encode()
        case "basic":  # RFC 7617: players and cards that know no bearer tokens
            try:
                return base64.b64decode(value, validate=True).partition(b":")[2]
            except binascii.Error:
                return b""
    return None
