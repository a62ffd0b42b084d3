"""What an MQTT connection is told and what it tells: addresses, wills, options, messages. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from robot_node.errors import SettingsError

UserProperties = tuple[tuple[str, str], ...]

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 8083, "wss": 8084}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and who we are to it.

    Attributes:
        host: Name or address.
        port: TCP port.
        transport: ``"tcp"``, or ``"websockets"`` (then at ``path``).
        tls: Encrypt, and verify the broker's certificate.
        ca_file: Certificate authorities to trust instead of the system's.
        cert_file: Our own certificate in PEM form, for brokers that ask for one; None for none.
        key_file: Its private key; None when it is in the same file.
        key_password: What the key is encrypted with.
        timeout_s: Limit for connecting, subscribing and acknowledged publishing, each.
        keepalive_s: MQTT keep-alive interval: a connection that is dead without a sign is noticed within twice that.
    """

    host: str
    port: int
    transport: Literal["tcp", "websockets"] = "tcp"
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    path: str = "/mqtt"
    ca_file: str | None = None
    timeout_s: float = 4.0
    keepalive_s: int = 20
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str, *, username: str | None = None, password: str | None = None) -> Broker:
        """Read ``mqtt[s]://user:password@host:port`` or ``ws[s]://user:password@host:port/path``.

        Args:
            url: The address; user and password may be percent-encoded.
            username: Used when the address has none.
            password: Used when the address has none.

        Raises:
            SettingsError: the address is not of that form. The text never repeats a password.
        """
        remedy = "Write it as mqtt://host:1883, mqtts://user:password@host:8883 or ws://host:8083/mqtt."
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            if "@" not in url:
                # What is taken for the port is not repeated: it is a password if what follows that was forgotten.
                reason = str(error).partition(" as ")[0]
                raise SettingsError(f"The broker address cannot be read: {reason}.", remedy=remedy) from None
            # The reason would repeat what it takes for the port: a piece of the password.
            raise SettingsError(
                "The broker address cannot be read.",
                remedy=f"{remedy} In user and password / ? # [ and ] are written %2F %3F %23 %5B and %5D.",
            ) from None
        if parts.scheme not in _DEFAULT_PORTS:
            raise SettingsError(f"The broker address has an unknown scheme {parts.scheme!r}.", remedy=remedy)
        if not parts.hostname:
            raise SettingsError("The broker address names no host.", remedy=remedy)
        websockets = parts.scheme in {"ws", "wss"}
        return cls(
            host=parts.hostname,
            port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
            transport="websockets" if websockets else "tcp",
            tls=parts.scheme in {"mqtts", "wss"},
            username=unquote(parts.username) if parts.username else username,
            password=unquote(parts.password) if parts.password else password,
            path=(parts.path or "/mqtt") if websockets else "/mqtt",
        )

    def __str__(self) -> str:
        """The address without credentials, fit for a log."""
        scheme = ("ws" if self.transport == "websockets" else "mqtt") + ("s" if self.tls else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us when the connection dies without a DISCONNECT."""

    topic: str
    payload: bytes = b""
    qos: int = 1
    retain: bool = False
    user_properties: UserProperties = ()


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """How one MQTT connection introduces itself.

    Attributes:
        client_id: MQTT client identifier.
        connect_properties: User properties of CONNECT.
        publish_properties: User properties of every PUBLISH.
        max_packet_bytes: Largest packet that the broker may send us (it drops larger ones); 0 for no limit.
        timeout_s: Instead of the broker's limit.
        keepalive_s: Instead of the broker's interval.
    """

    client_id: str
    will: Will | None = None
    connect_properties: UserProperties = ()
    publish_properties: UserProperties = ()
    max_packet_bytes: int = 0
    timeout_s: float | None = None
    keepalive_s: int | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic filter of a SUBSCRIBE."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    """One PUBLISH that reached us."""

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
