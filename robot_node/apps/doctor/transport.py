"""The way to the broker: does anything answer, is it who it says it is, and for how long are the certificates good."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from robot_node.apps.doctor.findings import Finding, Tell
from robot_node.errors import BrokerError
from robot_node.mqtt import Broker
from robot_node.mqtt.tls import tls_context

_SOON = timedelta(days=30)
_WHY = "Nobody else must be able to pass for the broker: it sees every picture and every command."
_WHY_OURS = "The broker lets in only whose certificate it trusts."
_MAKE_ANEW = "Make a new one as docs/tls.md shows, put it in the same place, and restart what uses it."


async def is_reachable(broker: Broker, tell: Tell) -> bool:
    """Whether something listens there."""
    try:
        async with asyncio.timeout(broker.connect_timeout_s):
            _, writer = await asyncio.open_connection(broker.host, broker.port)
    except (OSError, TimeoutError) as error:
        tell(
            Finding.bad(
                "reachable",
                f"Nothing answers at {broker}: {reason_of(error)}.",
                why="Robots and agents meet at the broker.",
                remedy="Check the address, the firewall, and that the broker runs: systemctl status mosquitto",
            )
        )
        return False
    await close(writer)
    tell(Finding.good("reachable", f"Something listens at {broker}."))
    return True


def is_this_machine(host: str) -> bool:
    """Whether messages to a host never leave the machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def in_clear(broker: Broker) -> Finding:
    """That there is no TLS."""
    what = "the password and every message" if broker.password else "every message"
    return Finding.note(
        "encryption",
        f"There is none on the way to {broker.host}.",
        why=f"Whoever listens in that network reads {what}, and can pass for the broker.",
        remedy="If you don't trust everybody in it: docs/tls.md.",
    )


async def is_trusted(broker: Broker, now: datetime, tell: Tell) -> bool:
    """Whether TLS works: our own certificate can be used, and the broker's is to be trusted."""
    if broker.cert_file and not await _own_certificate(broker, broker.cert_file, now, tell):
        return False
    remedy = "Set broker.ca_file to the authority that signed it, and use the name that stands in it."
    try:
        context = await asyncio.to_thread(tls_context, broker)
        async with asyncio.timeout(broker.connect_timeout_s):
            _, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
    except BrokerError as error:
        detail, remedy = error.message, error.remedy
    except ssl.SSLCertVerificationError as error:
        detail = f"The broker's certificate is not to be trusted: {error.verify_message.rstrip('.')}."
        if "not yet valid" in detail:
            remedy = f"Set this machine's clock, which shows {now:%Y-%m-%d}: sudo timedatectl set-ntp true"
        elif "expired" in detail:
            remedy = f"If this machine's clock is right, which shows {now:%Y-%m-%d}: {_MAKE_ANEW}"
    except (ssl.SSLError, ConnectionResetError) as error:
        detail = f"The broker does not speak TLS at this port: {reason_of(error)}."
        remedy = "Use the port for TLS, 8883 or 8084 by custom, or the scheme mqtt or ws."
    except OSError as error:
        detail = f"TLS cannot be set up: {reason_of(error)}."
    else:
        certificate = writer.get_extra_info("ssl_object").getpeercert()
        await close(writer)
        expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        good = "The broker's certificate is valid for this name"
        tell(_expiry("certificate", good, expires, now, why="Then nobody can connect."))
        return True
    tell(Finding.bad("certificate", detail, why=_WHY, remedy=remedy))
    return False


async def speaks_tls(broker: Broker) -> bool:
    """Whether the broker answers a TLS handshake, with whatever certificate."""
    try:
        context = await asyncio.to_thread(ssl.create_default_context)
        async with asyncio.timeout(broker.connect_timeout_s):
            _, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
    except ssl.SSLCertVerificationError:
        return True
    except OSError:
        return False
    await close(writer)
    return True


async def _own_certificate(broker: Broker, file: Path, now: datetime, tell: Tell) -> bool:
    check = "client certificate"
    try:
        await asyncio.to_thread(tls_context, broker)
        certificate = await asyncio.to_thread(_read, file)
    except (BrokerError, OSError, ValueError) as error:
        remedy = getattr(error, "remedy", "") or _MAKE_ANEW
        tell(Finding.bad(check, getattr(error, "message", f"{error}."), why=_WHY_OURS, remedy=remedy))
        return False
    expires = certificate.not_valid_after_utc
    if expires <= now:
        tell(Finding.bad(check, f"{file} ran out on {expires:%Y-%m-%d}.", why=_WHY_OURS, remedy=_MAKE_ANEW))
        return False
    name = f" for {user}" if (user := _common_name(certificate)) else ""
    tell(_expiry(check, f"{file} is{name}", expires, now, why="Then the broker does not let us in."))
    return True


def _expiry(check: str, good: str, expires: datetime, now: datetime, *, why: str) -> Finding:
    detail = f"{good}, until {expires:%Y-%m-%d}."
    if expires - now > _SOON:
        return Finding.good(check, detail)
    left = f"{max(0, (expires - now).days)} days are left."
    return Finding.note(check, f"{detail} {left}", why=why, remedy=_MAKE_ANEW)


def user_of(broker: Broker) -> str | None:
    """Who we are to the broker: the user name, else the name in our certificate. Reads a file."""
    if broker.username or not broker.cert_file:
        return broker.username
    with contextlib.suppress(OSError, ValueError):
        return _common_name(_read(broker.cert_file))
    return None


def _read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def _common_name(certificate: x509.Certificate) -> str | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else None


def reason_of(error: OSError) -> str:
    """What went wrong, without a full stop."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return (error.strerror or str(error)).rstrip(".")
    return os.strerror(error.errno)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait for that."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
