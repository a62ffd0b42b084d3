"""WHIP (RFC 9725) and WHEP: offers a session to a server by HTTP, and ends it there.

Loaded only where the robot publishes, or a viewer watches by WHEP.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from robot_node.errors import SettingsError
from robot_node.webrtc.sdp_fragments import FRAGMENT
from robot_node.webrtc.sdp_limits import MAX_SDP_BYTES
from robot_node.webrtc.whip_messages import (
    WHIP,
    RefusedError,
    WhipSession,
    Wording,
    check_answer,
    ice_servers,
    is_deleted,
    origin,
    redirected,
    refusal,
    session_url,
)

logger = logging.getLogger(__name__)

_SDP = "application/sdp"
_REDIRECTS = frozenset({307, 308})
_MAX_REDIRECTS = 5
_DELETE_LIMIT_S = 2.0


class WhipClient:
    """Speaks WHIP, or WHEP, with one endpoint: to the client they differ in the offer only.

    Args:
        http: Follows no redirects, and has a time limit.
        url: The endpoint.
        token: Goes to the endpoint's own origin only; may be empty.
        clock: The time now.
        wording: What errors say.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        url: str,
        token: str = "",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wording: Wording = WHIP,
    ) -> None:
        self._http = http
        self._url = url
        self._token = token
        self._clock = clock
        self._wording = wording
        self._origins = {origin(url)}

    async def offer(self, sdp: str) -> WhipSession:
        """Offer, following redirects; return the session.

        Raises:
            RefusedError: the server does not take the offer, or does not answer.
            SignalingError: its answer cannot be used.
        """
        url, self._origins = self._url, {origin(self._url)}
        for _ in range(_MAX_REDIRECTS + 1):
            response, body = await self._post(url, sdp)
            if response.status_code not in _REDIRECTS:
                break
            url = redirected(url, response.headers.get("location", ""))
            self._origins.add(origin(url))
        else:
            raise RefusedError(f"The server at {origin(self._url)} redirects more than {_MAX_REDIRECTS} times.")
        if response.status_code != 201:
            kind = response.headers.get("content-type", "")
            raise refusal(
                origin(url),
                response.status_code,
                retry_after=response.headers.get("retry-after", ""),
                said="" if "html" in kind or kind.startswith(_SDP) else body,  # no page, and no counter-offer (WHEP)
                now=self._clock(),
                wording=self._wording,
            )
        session = session_url(url, response.headers.get("location", ""), self._origins)
        if not session:
            logger.warning("The server at %s gives no address at which to end the session.", origin(url))
        try:
            check_answer(sdp, body, self._wording)
        except ValueError:
            if session:
                await self.delete(session)
            raise
        links = response.headers.get_list("link")
        return WhipSession(session, body, response.headers.get("etag", ""), ice_servers(links))

    async def trickle(self, session: WhipSession, fragment: str) -> bool:
        """Send candidates that came after the offer; False when the server takes none."""
        headers = {"Content-Type": FRAGMENT, "If-Match": session.etag}
        with contextlib.suppress(httpx2.HTTPError):
            async with self._asked("PATCH", session.url, content=fragment, headers=headers) as response:
                return response.is_success
        return False

    async def delete(self, url: str) -> bool | None:
        """End a session; True: it is gone; False: the server refuses; None: not known. Takes 2 s at most."""
        try:
            async with self._asked("DELETE", url, limit_s=_DELETE_LIMIT_S) as response:
                status = response.status_code
        except httpx2.HTTPError as error:
            logger.debug("The session at %s cannot be ended: %r", origin(url), error)
            return None
        logger.debug("Session at %s ended: %d", origin(url), status)
        return is_deleted(status)

    async def _post(self, url: str, sdp: str) -> tuple[httpx2.Response, str]:
        headers = {"Content-Type": _SDP, "Accept": _SDP}
        body = b""
        try:
            async with self._asked("POST", url, content=sdp, headers=headers) as response:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_SDP_BYTES:
                        raise RefusedError(f"The server at {origin(url)} answers with more than {MAX_SDP_BYTES} bytes.")
        except httpx2.TimeoutException as error:
            raise RefusedError(f"The server at {origin(url)} did not answer in time.") from error
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise RefusedError(f"The server at {origin(url)} cannot be reached: {reason}.") from error
        return response, body.decode(errors="replace")

    @contextlib.asynccontextmanager
    async def _asked(
        self,
        method: str,
        url: str,
        *,
        content: str | None = None,
        headers: Mapping[str, str] | None = None,
        limit_s: float | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        more = dict(headers or {})
        if self._token and origin(url) == origin(self._url):
            more["Authorization"] = f"Bearer {self._token}"
        request = self._http.build_request(
            method,
            url,
            content=None if content is None else content.encode(),
            headers=more,
            timeout=self._http.timeout if limit_s is None else limit_s,
        )
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            yield response
        finally:
            await response.aclose()


def http_client(ca_file: Path | None, timeout_s: float) -> httpx2.AsyncClient:
    """Make the client of a robot: certificates verified, no proxy and no password from the environment. Blocks.

    Raises:
        SettingsError: the file of certificates cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(f"publish.ca_file: {ca_file} cannot be used: {error.strerror or error}.") from error
    return httpx2.AsyncClient(verify=context, trust_env=False, timeout=timeout_s, headers={"User-Agent": "robot-node"})
