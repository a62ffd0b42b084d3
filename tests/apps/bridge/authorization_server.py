"""An OAuth authorization server, as far as a resource server sees it: its metadata, its keys, and its tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


class AuthorizationServer:
    """Issues tokens. ``requests`` are the paths that were asked for."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.issuer = ""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def token(self, audience: str, *, key: ec.EllipticCurvePrivateKey | None = None, **claims: object) -> str:
        """A token that is valid for an hour, unless the claims or the key say otherwise; None leaves a claim out."""
        content = {"iss": self.issuer, "sub": "anna", "aud": audience, "exp": int(time.time()) + 3600} | claims
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(content, key or self._key, algorithm="ES256", headers={"kid": "first"})

    def answer(self, path: str) -> dict[str, Any] | None:
        """What it publishes under a path."""
        self.requests.append(path)
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"} | self.metadata
        if path == "/keys":
            key = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
            return {"keys": [key | {"kid": "first", "alg": "ES256", "use": "sig"}]}
        return None


@contextmanager
def authorization_server() -> Iterator[AuthorizationServer]:
    """A server on loopback."""
    server = AuthorizationServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = server.answer(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.issuer = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
