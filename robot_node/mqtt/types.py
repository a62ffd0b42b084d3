"""Values of an MQTT connection: the broker's address, will, options, messages. Pure."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field

from robot_node.core.hosts import host_in_url
from robot_node.errors import SettingsError

UserProperties = tuple[tuple[str, str], ...]

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 8083, "wss": 8084}
_BEFORE_URL = re.compile(rf",(?=\s*(?:{'|'.join(_DEFAULT_PORTS)})://)")
_REMEDY = "Write it as mqtt://host:1883, mqtts://user:password@host:8883 or ws://host:8083/mqtt."


@dataclass(frozen=True)
class Broker:
    """Address of a broker, credentials, TLS files and time limits.

    Attributes:
        url: ``mqtt[s]://host:port`` or ``ws[s]://host:port/path``; or several, separated by commas, of brokers that
            are a cluster or share their messages by bridges: the next one is tried when one fails. User and password
            may be part of the argument, percent-encoded; they replace ``username`` and ``password``, and are removed
            from the attribute.
        username: MQTT user name.
        password: Its password.
        ca_file: Certificate authorities to trust instead of the system's.
        cert_file: Client certificate in PEM form, for brokers that require one.
        key_file: Its private key; None when it is in the same file.
        key_password: Password of an encrypted key.
        connect_timeout_s: Seconds for connecting, subscribing and acknowledged publishing, each.
        presence_wait_s: Seconds within which each robot renews its presence, for a broker that delivers no retained
            messages to subscriptions with wildcards (RabbitMQ): clients wait so long for robots; 0 for all others.
        keepalive_s: MQTT keep-alive interval in seconds: a connection that is dead without a sign is noticed within
            twice that.

    Raises:
        SettingsError: the address is not of that form. The text never repeats a password.
    """

    url: str = "mqtt://127.0.0.1:1883"
    _: KW_ONLY
    username: str | None = None
    password: Annotated[str | None, Field(description="A secret: it belongs in the environment.")] = field(
        default=None, repr=False
    )
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password: Annotated[str | None, Field(description="Of the key file; a secret as well.")] = field(
        default=None, repr=False
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 4.0
    keepalive_s: Annotated[int, Field(ge=1, le=3600)] = 20
    presence_wait_s: Annotated[float, Field(ge=0, le=600)] = 0.0

    def __post_init__(self) -> None:
        """Move user and password from the address to their fields, so that it can be shown."""
        parsed = [parse_address(url) for url in split_urls(self.url)]
        accounts = {(address.username, address.password) for address in parsed if address.username or address.password}
        if len(accounts) > 1:
            raise SettingsError(
                "The addresses of the broker have different credentials.", remedy="Use one account for all of them."
            )
        for user, password in accounts:
            if user:
                object.__setattr__(self, "username", unquote(user))
            if password:
                object.__setattr__(self, "password", unquote(password))
        without = (address._replace(netloc=address.netloc.rpartition("@")[2]).geturl() for address in parsed)
        object.__setattr__(self, "url", ",".join(without))

    @classmethod
    def from_url(cls, url: str, *, username: str | None = None, password: str | None = None) -> Broker:
        """A broker by its address; ``username`` and ``password`` are used where the address has none.

        Raises:
            SettingsError: the address cannot be read.
        """
        return cls(url, username=username, password=password)

    @property
    def addresses(self) -> tuple[Broker, ...]:
        """A broker for each URL, in order."""
        urls = split_urls(self.url)
        return (self,) if len(urls) == 1 else tuple(replace(self, url=url) for url in urls)

    def after(self, address: Broker) -> Broker:
        """This broker, with the URL of ``address`` as the last one to be tried."""
        urls = split_urls(self.url)
        position = urls.index(address.url) + 1 if address.url in urls else 0
        return replace(self, url=",".join(urls[position:] + urls[:position]))

    @property
    def host(self) -> str:
        """Name or address; this and the following of the first URL."""
        return self._address.hostname or ""

    @property
    def port(self) -> int:
        """TCP port."""
        port = self._address.port
        return _DEFAULT_PORTS[self._address.scheme] if port is None else port

    @property
    def transport(self) -> Literal["tcp", "websockets"]:
        """``"websockets"`` for MQTT over WebSocket, at :attr:`path`."""
        return "websockets" if self._address.scheme in {"ws", "wss"} else "tcp"

    @property
    def tls(self) -> bool:
        """Whether connections to all URLs are encrypted, and the broker's certificate verified."""
        return all(urlsplit(url).scheme in {"mqtts", "wss"} for url in split_urls(self.url))

    @property
    def path(self) -> str:
        """Path of the WebSocket."""
        return (self._address.path if self.transport == "websockets" else "") or "/mqtt"

    @property
    def _address(self) -> SplitResult:
        return urlsplit(split_urls(self.url)[0])

    def __str__(self) -> str:
        """The addresses without path and credentials, fit for a log."""
        if len(addresses := self.addresses) > 1:
            return ", ".join(map(str, addresses))
        host = host_in_url(self.host)
        return f"{self._address.scheme}://{host}:{self.port}"


def split_urls(value: str) -> list[str]:
    """The URLs of a list that is separated by commas. A comma within one, e.g. in a password, separates nothing."""
    return [url.strip() for url in _BEFORE_URL.split(value)]


def parse_address(url: str) -> SplitResult:
    """Read a broker's address.

    Raises:
        SettingsError: the address is not of the form that :class:`Broker` describes.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        if "@" not in url:
            # The rejected port is not repeated: where the host was forgotten, it is a password.
            reason = str(error).partition(" as ")[0]
            raise SettingsError(f"The broker address cannot be read: {reason}.", remedy=_REMEDY) from None
        # The reason would repeat the rejected port: a part of the password.
        raise SettingsError(
            "The broker address cannot be read.",
            remedy=f"{_REMEDY} In user and password / ? # [ and ] are written %2F %3F %23 %5B and %5D.",
        ) from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise SettingsError(f"The broker address has an unknown scheme {parts.scheme!r}.", remedy=_REMEDY)
    if not parts.hostname:
        raise SettingsError("The broker address names no host.", remedy=_REMEDY)
    if "," in parts.hostname:
        raise SettingsError("The broker address has a comma in its host: write each address in full.", remedy=_REMEDY)
    return parts


@dataclass(frozen=True, slots=True)
class Will:
    """The message that the broker publishes when the connection is lost without a DISCONNECT."""

    topic: str
    payload: bytes = b""
    qos: int = 1
    retain: bool = False
    user_properties: UserProperties = ()


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """Identity, will and user properties of one MQTT connection.

    Attributes:
        client_id: MQTT client identifier.
        connect_properties: User properties of CONNECT.
        publish_properties: User properties of every PUBLISH.
        max_packet_bytes: Largest packet that the broker may send us (it drops larger ones); 0 for no limit.
    """

    client_id: str
    will: Will | None = None
    connect_properties: UserProperties = ()
    publish_properties: UserProperties = ()
    max_packet_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic filter of a SUBSCRIBE."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    """One received PUBLISH."""

    topic: str
    payload: bytes
    retain: bool = False
    user_properties: UserProperties = ()

    def user_property(self, name: str) -> str | None:
        """The first value of the user property ``name``, or None."""
        for key, value in self.user_properties:
            if key == name:
                return value
        return None
