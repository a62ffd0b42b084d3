"""WHEP: players get the robot's video by one HTTP request (draft-ietf-wish-whep-02), as viewers like all others."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from robot_node.errors import NotReadyError, SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.direct import PREFIX, DirectSignaling
from robot_node.webrtc.ice_servers import parse_ice_server
from robot_node.webrtc.sdp_fragments import FRAGMENT, parse_fragment, with_candidates
from robot_node.webrtc.sdp_limits import MAX_SDP_BYTES, check_sdp
from robot_node.webrtc.signaling import (
    Answer,
    Candidate,
    Message,
    Offer,
    Terminated,
    first_username_fragment,
)

PATH = "/whep"
_SDP = "application/sdp"
_NO_STORE = {"Cache-Control": "no-store"}
_MAX_FRAGMENT_BYTES = 16 * 1024
_LATE_CANDIDATES_S = 5.0


class _UnusableOfferError(SignalingError):
    """No repetition makes the robot take this offer."""


@dataclass(slots=True)
class _Session:
    """One player's session.

    Attributes:
        viewer_id: Its id among the viewers.
        username_fragment: Its ICE user name fragment.
        messages: What the robot tells it, until the answer is complete.
    """

    viewer_id: str
    username_fragment: str
    messages: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)


class Whep:
    """Answers offers that come by HTTP.

    Args:
        direct: Where the viewers are.
        settings: ICE servers, for players too, and the time limit of a connection.
    """

    def __init__(self, direct: DirectSignaling, settings: WebRtcSettings) -> None:
        self._direct = direct
        self._settings = settings
        self._sessions: dict[str, _Session] = {}
        self._links = [_link(url) for url in settings.ice_servers]

    def routes(self) -> Sequence[Route]:
        """The routes of the endpoint and of its sessions."""
        session = f"{PATH}/{{session}}"
        return (
            Route(PATH, self._offer, methods=["POST"]),
            Route(PATH, self._options, methods=["OPTIONS"]),
            Route(session, self._trickle, methods=["PATCH"]),
            Route(session, self._delete, methods=["DELETE"]),
            Route(session, _session_options, methods=["OPTIONS"]),
        )

    async def _options(self, _: Request) -> Response:
        # RFC 9725, 4.6: some players gather candidates before they offer, e.g. mediamtx.
        return self._with_links(Response(status_code=204, headers={"Accept-Post": _SDP}))

    def _with_links(self, response: Response) -> Response:
        for link in self._links:
            response.headers.append("Link", link)
        return response

    async def _offer(self, request: Request) -> Response:
        if _media_type(request) != _SDP:
            return PlainTextResponse(f"The offer must be {_SDP}.\n", 415, headers={"Accept-Post": _SDP})
        try:
            sdp = await _body(request, MAX_SDP_BYTES)
            check_sdp(sdp)
        except ValueError as error:
            return _refused(400, str(error))
        self._forget_ended()
        name = secrets.token_urlsafe(16)
        session = self._open(name, sdp)
        try:
            self._direct.viewers.offer(session.viewer_id, Offer(sdp, request.query_params.get("camera", "")))
            async with asyncio.timeout(self._settings.connect_timeout_s):
                answer = await _answer(session.messages)
        except BaseException as error:
            self._end(name)
            match error:
                case _UnusableOfferError():
                    return _refused(400, str(error))
                case NotReadyError() | SignalingError():
                    return _refused(503, str(error))
                case TimeoutError():
                    return _refused(503, "The robot does not answer in time.")
                case _:
                    raise
        headers = {**_NO_STORE, "Location": f"{PATH}/{name}", "ETag": f'"{session.username_fragment}"'}
        return self._with_links(Response(answer, 201, headers, _SDP))

    async def _trickle(self, request: Request) -> Response:
        self._forget_ended()
        if (session := self._sessions.get(request.path_params["session"])) is None:
            return _no_session()
        if _media_type(request) != FRAGMENT:
            return PlainTextResponse(f"Candidates must be {FRAGMENT}.\n", 415, headers={"Accept-Patch": FRAGMENT})
        try:
            candidates = parse_fragment(await _body(request, _MAX_FRAGMENT_BYTES))
            if not all(each.fits({session.username_fragment}) for each in candidates):
                return _refused(422, "The robot does not restart ICE: make another offer.")
            for candidate in candidates:
                self._direct.viewers.candidate(session.viewer_id, candidate)
        except (ValueError, NotReadyError) as error:
            return _refused(400, str(error))
        return Response(status_code=204)

    async def _delete(self, request: Request) -> Response:
        self._forget_ended()
        name = request.path_params["session"]
        if name not in self._sessions:
            return _no_session()
        self._end(name)
        return Response(status_code=200)

    def _open(self, name: str, sdp: str) -> _Session:
        session = self._sessions[name] = _Session(PREFIX + name, first_username_fragment(sdp))

        def receive(message: Message) -> None:
            session.messages.put_nowait(message)
            if isinstance(message, Terminated):
                self._forget(name)

        self._direct.listen(session.viewer_id, receive)
        return session

    def _forget_ended(self) -> None:
        """Forget sessions that ended in silence: the viewers send nothing to a player that closes its connection."""
        for name, session in tuple(self._sessions.items()):
            if not self._direct.is_served(session.viewer_id):
                self._forget(name)

    def _end(self, name: str) -> None:
        session = self._forget(name)
        if session is not None:
            with contextlib.suppress(NotReadyError):  # the robot leaves, and has ended it
                self._direct.viewers.terminate(session.viewer_id, "")

    def _forget(self, name: str) -> _Session | None:
        session = self._sessions.pop(name, None)
        if session is not None:
            self._direct.forget(session.viewer_id)
        return session


async def _answer(messages: asyncio.Queue[Message]) -> str:
    """Wait for the robot's answer; candidates that come late are put into it: a player asks only once.

    Raises:
        _UnusableOfferError: The robot refuses the offer.
    """
    while not isinstance(message := await messages.get(), Answer):
        if isinstance(message, Terminated):
            raise _UnusableOfferError(message.reason or "The robot refuses the offer.")
    sdp, late = message.sdp, list[Candidate]()
    if "a=end-of-candidates" not in sdp:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LATE_CANDIDATES_S):
                while isinstance(candidate := await messages.get(), Candidate):
                    late.append(candidate)
    return with_candidates(sdp, late)


def _link(url: str) -> str:
    server = parse_ice_server(url)
    username, credential = _quoted(server.username), _quoted(server.credential)
    login = f'; username={username}; credential={credential}; credential-type="password"'
    return f'<{server.url}>; rel="ice-server"' + (login if server.username else "")


def _quoted(text: str) -> str:
    """A quoted string of HTTP (RFC 9110, 5.6.4)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


async def _session_options(_: Request) -> Response:
    return Response(status_code=204, headers={"Accept-Patch": FRAGMENT})


def _no_session() -> Response:
    return _refused(404, "There is no such session.")


def _refused(status: int, reason: str) -> Response:
    headers = {**_NO_STORE, **({"Retry-After": "5"} if status == 503 else {})}
    return PlainTextResponse(f"{reason}\n", status, headers=headers)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _body(request: Request, most: int) -> str:
    """Read the body.

    Raises:
        ValueError: It is too large, or is not UTF-8.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise ValueError(f"The body has more than {most} bytes.")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ValueError("The body is not UTF-8.") from error
