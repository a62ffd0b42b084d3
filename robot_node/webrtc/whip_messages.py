"""What WHIP (RFC 9725) and WHEP put into HTTP: URLs, Link headers, refusals, and what an answer must have. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from robot_node.errors import SettingsError, SignalingError
from robot_node.webrtc.ice_servers import IceServer, parse_ice_server
from robot_node.webrtc.sdp_limits import check_sdp

MAX_URL_CHARACTERS = 2048
_MAX_RETRY_AFTER_S = 3600.0
_MAX_ICE_SERVERS = 8
_MAX_REASON = 200

# RFC 8288, 3: a target, and parameters with or without quotes.
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s";,]*))?)*)')
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*)))?')

_REFUSALS = {
    400: "does not understand the offer",
    401: "refuses the token",
    403: "refuses the token",
    404: "knows no such endpoint",
    406: "supports none of the codecs",
    415: "takes no session descriptions",
    422: "cannot use the offer",
    429: "is asked too often",
    503: "is overloaded",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """What errors say that differs between the two protocols.

    Attributes:
        protocol: Its name.
        refused: Remedy of a refused token.
        url: Remedy of a wrong address.
        codecs: Remedy where no codec is common to both sides.
        no_video: An answer without the video.
        refusals: Refusals by the status of HTTP, in addition to those of both.
        remedies: Remedies of these.
    """

    protocol: str
    refused: str
    url: str
    codecs: str
    no_video: str
    refusals: Mapping[int, str] = field(default_factory=dict)
    remedies: Mapping[int, str] = field(default_factory=dict)

    def refusal(self, status: int) -> str:
        """Return what the server did, by the status of its answer."""
        unknown = "has failed" if status >= 500 else f"gives an answer that is no answer of {self.protocol}"
        wrong_address = {405: f"knows no {self.protocol} at this address"}
        return ({**_REFUSALS, **wrong_address, **self.refusals}).get(status, unknown)

    def remedy(self, status: int) -> str:
        """Return what helps, by the same status; empty when nothing is known to."""
        both = {401: self.refused, 403: self.refused, 404: self.url, 405: self.url, 406: self.codecs}
        return ({**both, **self.remedies}).get(status, "")


WHIP = Wording(
    "WHIP",
    refused="Set publish.token to the one that the server expects.",
    url="Check publish.url.",
    codecs="Let the server take H.264.",
    no_video="does not want the video",
    refusals={409: "already has a publisher there"},
    remedies={409: "End the other publisher, or wait until the server notices that it is gone."},
)
WHEP = Wording(
    "WHEP",
    refused="Give the one that the server expects: --token-file FILE, or WHEP_TOKEN in the environment.",
    url="Check the address after --whep.",
    codecs="Let it send H.264 or VP8.",
    no_video="does not send the video",
    refusals={409: "has no stream there now"},
    remedies={409: "Let the robot publish first: its get_status shows it as publishing."},
)
_GONE = frozenset({404, 410})


class RefusedError(SignalingError):
    """The server did not take the offer.

    Attributes:
        retry_after_s: How long it wants to be left alone, in seconds; 0 when it does not say.
    """

    def __init__(self, message: str, *, remedy: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class WhipSession:
    """What the server has answered.

    Attributes:
        url: Where the session is deleted; empty when the server gave no address that may be asked.
        answer: Its session description.
        etag: Names the ICE session for candidates that come later; empty when the server takes none.
        ice_servers: Those that it recommends.
    """

    url: str
    answer: str
    etag: str = ""
    ice_servers: tuple[IceServer, ...] = ()


def origin(url: str) -> str:
    """Return scheme, host and port of a URL (RFC 6454, 4); empty when it is no usable http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads (RFC 9725, 4.5).

    Raises:
        RefusedError: to no address that may be used, e.g. from https to http.
    """
    target = _joined(url, location)
    if not origin(target) or (url.startswith("https:") and not target.startswith("https:")):
        raise RefusedError(f"The server at {origin(url)} redirects to where the robot must not go.")
    return target


def session_url(endpoint: str, location: str, origins: Collection[str]) -> str:
    """Return the session's address from the Location header; empty without one, or if it is of none of the origins.

    Args:
        endpoint: Where the offer went, after redirects.
        location: Relative or absolute.
        origins: Where requests may go.
    """
    url = _joined(endpoint, location) if location else ""
    return url if origin(url) in origins else ""


def _joined(base: str, location: str) -> str:
    try:
        url = urljoin(base, location)
    except ValueError:
        return ""
    return url if len(url) <= MAX_URL_CHARACTERS and url.isascii() and url.isprintable() else ""


def refusal(
    server: str, status: int, *, retry_after: str = "", said: str = "", now: datetime, wording: Wording = WHIP
) -> RefusedError:
    """Return the error of an answer that is not 201.

    Args:
        server: Its origin.
        status: The status of HTTP.
        retry_after: That header.
        said: What the server wrote.
        now: The time, for a date in the header.
        wording: Of the protocol.
    """
    words = f": {said[:_MAX_REASON]!r}" if said.strip() else ""
    return RefusedError(
        f"The server at {server} {wording.refusal(status)} ({status}){words}.",
        remedy=wording.remedy(status),
        retry_after_s=retry_after_s(retry_after, now),
    )


def retry_after_s(header: str, now: datetime) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3), at most an hour; 0 without a usable one."""
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,9}", header):
        seconds = float(header)
    else:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return 0.0
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)


def is_deleted(status: int) -> bool | None:
    """Say what a DELETE has come to: True: the session is gone; False: the server refuses for good; None: not known."""
    if 200 <= status < 300 or status in _GONE:
        return True
    return False if 300 <= status < 500 and status not in {408, 429} else None


def ice_servers(links: Iterable[str]) -> tuple[IceServer, ...]:
    """Read the ICE servers in Link headers (RFC 9725, 4.6); those that cannot be used are left out."""
    return tuple(_ice_servers(links))[:_MAX_ICE_SERVERS]


def _ice_servers(links: Iterable[str]) -> Iterator[IceServer]:
    for header in links:
        for target, rest in _LINK.findall(header):
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for name, quoted, plain in _PARAMETER.findall(rest)
            }
            if "ice-server" not in parameters.get("rel", "").lower().split():
                continue
            if parameters.get("credential-type", "password") != "password":
                continue
            try:
                url = parse_ice_server(target.strip()).url
            except SettingsError:
                continue
            yield IceServer(url, parameters.get("username", ""), parameters.get("credential", ""))


def for_server(offer: str) -> str:
    """Return an offer whose sections promise that RTP and RTCP share a port (RFC 9725, 4.2; RFC 8858, 3)."""
    return re.sub(r"(?m)^a=rtcp-mux\r\n", "a=rtcp-mux\r\na=rtcp-mux-only\r\n", offer)


def check_answer(offer: str, answer: str, wording: Wording = WHIP) -> None:
    """Refuse an answer that does not fit the offer.

    Raises:
        SignalingError: it does not.
    """
    check_sdp(answer)
    if not answer.startswith("v=0"):
        raise SignalingError("The server's answer is no session description.")
    kinds = [_kinds(sdp) for sdp in (offer, answer)]
    if kinds[0] != kinds[1]:
        raise SignalingError("The server's answer has other media sections than the offer.")
    if re.search(r"(?m)^m=video 0 ", answer):
        raise SignalingError(f"The server {wording.no_video}.", remedy=wording.codecs)
    if "a=setup:actpass" in answer:
        raise SignalingError("The server's answer leaves open who begins the DTLS handshake.")


def _kinds(sdp: str) -> list[str]:
    return re.findall(r"(?m)^m=(\w+) ", sdp)
