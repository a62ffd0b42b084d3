"""Bearer tokens of the bridge over HTTP: one of its own, and those of a person's authorization servers."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from mcp.server.auth.provider import AccessToken

from robot_node.core.hosts import is_loopback
from robot_node.core.text import one_line
from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.notices import Notices

logger = logging.getLogger(__name__)

CREDENTIAL = "bridge-token"
_MIN_CHARACTERS = 16
_MAX_CHARACTERS = 8192  # a JWT with many claims has some thousand
_MAX_METADATA_BYTES = 256 * 1024
_FETCH_TIMEOUT_S = 5.0
_MAX_CONCURRENT = 4
# Signatures by a key that only the issuer has; never by a shared secret.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_REQUIRED_CLAIMS = ("exp", "iss", "aud")
_CLOCK_SKEW_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAccess:
    """Who may use the bridge over HTTP. Without token and issuers: everybody who can connect.

    Attributes:
        token: A token of the bridge's own; empty for none.
        issuers: URLs of the authorization servers whose JWTs are accepted.
        public_url: The bridge's URL for agents, which JWTs must name as their audience; empty: where it listens.
    """

    token: str = ""
    issuers: tuple[str, ...] = ()
    public_url: str = ""

    def __post_init__(self) -> None:
        for issuer in self.issuers:
            _check_url(issuer, "--issuer")
        if self.public_url:
            _check_url(self.public_url, "--public-url")

    def __bool__(self) -> bool:
        return bool(self.token or self.issuers)


def read_token(file: Path | None) -> str:
    """Read the bridge's own token from a file, else from the credential ``bridge-token`` of systemd; may be empty.

    Raises:
        SettingsError: It cannot be read, or is too short.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if file is None:
        file = Path(directory, CREDENTIAL) if directory else None
        if file is None or not file.exists():
            return ""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise SettingsError(f"The token in {file} cannot be read: {reason}.") from error
    if len(token) < _MIN_CHARACTERS or not token.isprintable() or " " in token:
        raise SettingsError(
            f"The token in {file} is not usable: it must be one line with at least {_MIN_CHARACTERS} characters.",
            remedy="Make one with: openssl rand -hex 32",
        )
    return token


def _check_url(url: str, option: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        usable = usable and bool(parts.hostname) and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"{option} {one_line(url, 200)} is not usable.",
            remedy="Write it as https://name/path; http on loopback only.",
        )


class Tokens:
    """Verifies bearer tokens. A ``TokenVerifier`` of the SDK.

    Of a JWT it verifies: the signature by a key of its issuer (JWKS), that the issuer is one of ours, the audience, and
    that it has not expired. It looks at no scopes, and does not ask the issuer whether the token was revoked.
    """

    def __init__(self, access: HttpAccess, audience: str) -> None:
        self._token = access.token.encode()
        self._issuers = access.issuers
        self._audience = [audience, f"{audience}/"]
        self._keys: dict[str, jwt.PyJWKClient] = {}
        self._concurrent = asyncio.Semaphore(_MAX_CONCURRENT)
        self._notices = Notices(logger.warning, time.monotonic)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whom a token belongs to; None if it is not valid."""
        if len(token) > _MAX_CHARACTERS:
            return None
        if self._token and hmac.compare_digest(token.encode(), self._token):
            return AccessToken(token="", client_id=CREDENTIAL, scopes=[])
        if not self._issuers or token.count(".") != 2:
            return None
        async with self._concurrent:
            return await asyncio.to_thread(self._verify_jwt, token)

    def _verify_jwt(self, token: str) -> AccessToken | None:
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
            issuer = next(each for each in self._issuers if each == unverified.get("iss"))
            key = self._keys_of(issuer).get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=issuer,
                leeway=_CLOCK_SKEW_S,
                options={"require": [*_REQUIRED_CLAIMS]},
            )
        except StopIteration:
            self._notices.note("issuer", "Refused a token of an issuer that --issuer does not name.")
            return None
        except (jwt.PyJWTError, OSError, ValueError) as error:
            self._notices.note("token", f"Refused a token: {one_line(str(error), 200)}")
            return None
        subject = str(claims.get("sub", ""))
        client_id = str(claims.get("client_id") or claims.get("azp") or subject or issuer)
        return AccessToken(token="", client_id=client_id, scopes=[], subject=subject, claims={"iss": issuer})

    def _keys_of(self, issuer: str) -> jwt.PyJWKClient:
        keys = self._keys.get(issuer)
        if keys is None:
            keys = self._keys[issuer] = jwt.PyJWKClient(_jwks_uri(issuer), timeout=_FETCH_TIMEOUT_S)
        return keys


def metadata_urls(issuer: str) -> Sequence[str]:
    """Return where an authorization server may publish its metadata (RFC 8414, 3.1; OpenID Connect Discovery, 4)."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    return (
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}",
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
    )


def _jwks_uri(issuer: str) -> str:
    reason = ""
    for url in metadata_urls(issuer):
        try:
            metadata = _fetch(url)
        except (OSError, ValueError) as error:
            reason = f"{url}: {error}"
            continue
        uri = metadata.get("jwks_uri")
        # RFC 8414, 3.3: metadata of another issuer must not be used.
        if metadata.get("issuer") == issuer and isinstance(uri, str):
            _check_url(uri.partition("?")[0], "jwks_uri")
            return uri
        reason = f"{url}: it is not the metadata of this issuer, or has no jwks_uri"
    raise ValueError(f"The metadata of {issuer} cannot be read. {reason}")


def _fetch(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=_FETCH_TIMEOUT_S) as answer:  # noqa: S310  # the settings name it: https
        content = json.loads(answer.read(_MAX_METADATA_BYTES))
    if not isinstance(content, dict):
        raise ValueError("not an object")  # noqa: TRY004  # as json.loads raises for what is no JSON
    return content
