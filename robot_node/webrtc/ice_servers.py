"""STUN and TURN servers in the settings. Pure: checked at start, before the media stack is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from robot_node.errors import SettingsError

# RFC 7064 and RFC 7065; aiortc knows UDP and TCP, TLS over TCP only, and no STUN over TLS.
_URL = re.compile(
    r"(?P<scheme>stun|turns?):((?P<user>[^:@]+):(?P<password>[^@]+)@)?"
    r"(?P<host>[^?:@]+)(?P<port>:[0-9]{1,5})?(?P<transport>\?transport=(udp|tcp))?"
)
_HOST = re.compile(r"[^:?]*(:[0-9]*)?(\?.*)?")


@dataclass(frozen=True, slots=True)
class IceServer:
    """One server.

    Attributes:
        url: Its address without the credentials.
        username: Empty for STUN.
        credential: Its password.
    """

    url: str
    username: str = ""
    credential: str = ""


def parse_ice_server(text: str) -> IceServer:
    """Read ``stun:host:port`` or ``turn:user:password@host:port?transport=udp`` (user and password percent-encoded).

    Raises:
        SettingsError: it is not of that form. The text repeats no password.
    """
    match = _URL.fullmatch(text)
    if (
        match is None
        or (match["scheme"] == "stun" and (match["transport"] or match["user"]))
        or (match["scheme"] == "turns" and match["transport"] == "?transport=udp")
    ):
        scheme, _, rest = text.partition(":")
        address = rest.rpartition("@")[2]
        if "@" not in rest and not _HOST.fullmatch(rest):  # the host may have been forgotten: then this is a password
            address = "..."
        shown = f"{scheme}:{address}" if address else scheme.rpartition("@")[2]
        raise SettingsError(
            f"The ICE server {shown} cannot be used: it is not a valid ICE server URL.",
            remedy="Write it as stun:host:3478 or turn:user:password@host:3478.",
        )
    url = f"{match['scheme']}:{match['host']}{match['port'] or ''}{match['transport'] or ''}"
    return IceServer(url, unquote(match["user"] or ""), unquote(match["password"] or ""))


@dataclass(frozen=True, slots=True)
class HeldBackServers:
    """The STUN and TURN server that an ICE agent does not ask by itself."""

    stun: tuple[str, int] | None
    turn: tuple[str, int] | None

    @property
    def names(self) -> list[str]:
        """The servers for people, without credentials."""
        named = (("STUN", self.stun), ("TURN", self.turn))
        return [server_name(kind, address) for kind, address in named if address]

    def __bool__(self) -> bool:
        return bool(self.stun or self.turn)


def server_name(kind: str, address: tuple[str, int]) -> str:
    """Name a server for people."""
    return f"{kind} server {address[0]}:{address[1]}"
