"""Restricts a web application to requests for this machine's own names, against DNS rebinding and other sites.

Any site can give a name of its own the address of this machine ("DNS rebinding"): its pages may then read what a server
here answers, but their requests still have that name in the headers Host and Origin.

And any site can show a picture of this machine in its page (``<img>``), with a password that the browser knows. Such a
request has no Origin: browsers say in Sec-Fetch-Site where it comes from (Fetch Metadata, W3C), and those that do not
say it keep to Cross-Origin-Resource-Policy (Fetch, 3.7), or did neither.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FOREIGN_PAGE = "A page of another site may not ask this.\n"
_POLICY = "Cross-Origin-Resource-Policy"
_REMEDY = (
    "This name is not one of this server's. Use its IP address, or listen at the name: it is checked against web pages "
    "of other sites that come under a name of their own.\n"
)


def own_names(host: str) -> frozenset[str]:
    """The names of a server that listens at ``host``: that one, those of loopback, and the host name of the machine."""
    machine = socket.gethostname()
    return frozenset(name.lower() for name in (*_LOOPBACK, host, machine, f"{machine}.local"))


def is_own_host(header: str, names: frozenset[str]) -> bool:
    """Whether a Host header means this server: one of its names, or any IP address, which cannot be rebound."""
    name = _name_in(f"//{header}")
    return name in names or _is_address(name)


def is_own_origin(header: str, names: frozenset[str]) -> bool:
    """Whether an Origin header is of a page of this machine; any port, since a proxy may be before the server."""
    return header.startswith(("http://", "https://")) and _name_in(header) in names


def is_same_origin(header: str, host: str) -> bool:
    """Whether an Origin header is of a page that came from where a Host header leads; it may be http or https."""
    scheme, _, authority = header.partition("://")
    default = f":{_DEFAULT_PORTS.get(scheme, '')}"
    return (
        scheme in _DEFAULT_PORTS
        and bool(_name_in(header))
        and authority.lower().removesuffix(default) == host.lower().removesuffix(default)
    )


def is_embedded(headers: Headers) -> bool:
    """Whether a page of another origin loads this as a part of itself, and not by CORS, which sends an Origin.

    False also for browsers and programs that do not say it, and for a link that a person follows.
    """
    if "origin" in headers or headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
        return False
    follows = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not follows or "sec-purpose" in headers  # which a browser sends that loads a link beforehand


def _name_in(url: str) -> str:
    try:
        parts = urlsplit(url)
        plain = parts.netloc and parts.port != 0 and not (parts.username or parts.path or parts.query or parts.fragment)
    except ValueError:
        return ""
    return (parts.hostname or "").removesuffix(".") if plain else ""


def _origin_of(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}".lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class OwnHostOnly:
    """ASGI middleware that answers requests to foreign names with 421, and those of foreign pages with 403.

    Args:
        app: What it protects.
        host: What the server listens at.
        also: Another name of it, e.g. that of a proxy before it; may be empty.
        embed_origins: Origins of other servers' pages that may show what this one answers, such as pictures.
    """

    def __init__(self, app: ASGIApp, host: str, also: str = "", embed_origins: Collection[str] = ()) -> None:
        self._app = app
        self._embed_origins = frozenset(embed_origins)
        self._also = frozenset({also.lower()} if also else ())
        self._names = own_names(host) | self._also

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        app = self._app
        policy = "same-origin"
        if scope["type"] in {"http", "websocket"}:
            headers = Headers(scope=scope)
            hosts, origins = headers.getlist("host"), headers.getlist("origin")
            if len(hosts) != 1 or not is_own_host(hosts[0], self._names):
                app = PlainTextResponse(_REMEDY, 421)
            elif not all(self._takes(origin, hosts[0], scope["type"]) for origin in origins):
                app = PlainTextResponse(_FOREIGN_PAGE, 403)
            elif is_embedded(headers):
                if _origin_of(headers.get("referer", "")) in self._embed_origins:
                    policy = "cross-origin"
                else:
                    app = PlainTextResponse(_FOREIGN_PAGE, 403)

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault(_POLICY, policy)
            await send(message)

        await app(scope, receive, send_with_policy)

    def _takes(self, origin: str, host: str, kind: str) -> bool:
        # Browsers let a page of another port, another server's, read no answer, but they let it use a WebSocket.
        names = self._also if kind == "websocket" else self._names
        return is_same_origin(origin, host) or is_own_origin(origin, names)
