"""Checks of the connection to the broker: TCP, TLS, certificates and their expiry."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from robot_node.apps.doctor.findings import Finding, Report
from robot_node.errors import BrokerError
from robot_node.mqtt import Broker
from robot_node.mqtt.tls import tls_context

_SOON = timedelta(days=30)
_WHY = "Otherwise another machine could impersonate the broker, which sees every picture and every command."
_WHY_CLIENT = "The broker accepts only clients whose certificate it trusts."
_RENEW = "Make a new one as docs/tls.md shows, put it in the same place, and restart what uses it."


async def is_reachable(broker: Broker, report: Report) -> bool:
    """Check that something listens at the broker's address."""
    try:
        async with asyncio.timeout(broker.connect_timeout_s):
            _, writer = await asyncio.open_connection(broker.host, broker.port)
    except (OSError, TimeoutError) as error:
        report(
            Finding.bad(
                "reachable",
                f"Cannot connect to {broker}: {reason_of(error)}.",
                why="Robots and agents communicate through the broker.",
                remedy="Check the address, the firewall, and that the broker is running: systemctl status mosquitto",
            )
        )
        return False
    await close(writer)
    report(Finding.good("reachable", f"Something listens at {broker}."))
    return True


def in_clear(broker: Broker) -> Finding:
    """Report a connection without TLS."""
    what = "the password and every message" if broker.password else "every message"
    return Finding.note(
        "encryption",
        f"The connection to {broker.host} is not encrypted.",
        why=f"Anyone in that network can read {what}, and can impersonate the broker.",
        remedy="Unless you trust everyone in it, use TLS: docs/tls.md.",
    )


async def is_trusted(broker: Broker, now: datetime, report: Report) -> bool:
    """Check TLS: the client certificate, if any, and the broker's certificate."""
    if broker.cert_file and not await _own_certificate(broker, broker.cert_file, now, report):
        return False
    remedy = "Set broker.ca_file to the authority that signed it, and use a host name that is in the certificate."
    try:
        context = await asyncio.to_thread(tls_context, broker)
        async with asyncio.timeout(broker.connect_timeout_s):
            _, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
    except BrokerError as error:
        detail, remedy = error.message, error.remedy
    except ssl.SSLCertVerificationError as error:
        detail = f"The broker's certificate is not trusted: {error.verify_message.rstrip('.')}."
        if "not yet valid" in detail:
            remedy = f"Set this machine's clock, which shows {now:%Y-%m-%d}: sudo timedatectl set-ntp true"
        elif "expired" in detail:
            remedy = f"If this machine's clock is right, which shows {now:%Y-%m-%d}: {_RENEW}"
    except (ssl.SSLError, ConnectionResetError) as error:
        detail = f"The broker does not use TLS on this port: {reason_of(error)}."
        remedy = "Use the port for TLS, usually 8883 or 8084, or the scheme mqtt or ws."
    except OSError as error:
        detail = f"The TLS handshake failed: {reason_of(error)}."
    else:
        certificate = writer.get_extra_info("ssl_object").getpeercert()
        await close(writer)
        expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        good = "The broker's certificate is valid for this host name"
        report(_expiry("certificate", good, expires, now, why="After that, no client can connect."))
        return True
    report(Finding.bad("certificate", detail, why=_WHY, remedy=remedy))
    return False


async def speaks_tls(broker: Broker) -> bool:
    """Whether the broker answers a TLS handshake, with any certificate."""
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


async def _own_certificate(broker: Broker, file: Path, now: datetime, report: Report) -> bool:
    check = "client certificate"
    try:
        await asyncio.to_thread(tls_context, broker)
        certificate = await asyncio.to_thread(_read, file)
    except (BrokerError, OSError, ValueError) as error:
        remedy = getattr(error, "remedy", "") or _RENEW
        report(Finding.bad(check, getattr(error, "message", f"{error}."), why=_WHY_CLIENT, remedy=remedy))
        return False
    expires = certificate.not_valid_after_utc
    if expires <= now:
        report(Finding.bad(check, f"{file} expired on {expires:%Y-%m-%d}.", why=_WHY_CLIENT, remedy=_RENEW))
        return False
    name = f" for {user}" if (user := _common_name(certificate)) else ""
    report(_expiry(check, f"{file} is{name}", expires, now, why="After that, the broker refuses the connection."))
    return True


def _expiry(check: str, good: str, expires: datetime, now: datetime, *, why: str) -> Finding:
    detail = f"{good}, until {expires:%Y-%m-%d}."
    if expires - now > _SOON:
        return Finding.good(check, detail)
    left = f"{max(0, (expires - now).days)} days are left."
    return Finding.note(check, f"{detail} {left}", why=why, remedy=_RENEW)


def user_of(broker: Broker) -> str | None:
    """Return the user name at the broker: as configured, else from the client certificate. Reads a file."""
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
    """Return the reason of an error, without a full stop."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return (error.strerror or str(error)).rstrip(".")
    return os.strerror(error.errno)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection and wait until it is closed."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
