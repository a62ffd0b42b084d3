"""Errors of aiomqtt and paho-mqtt in plain words: the reason, and the remedy."""

from __future__ import annotations

import ssl

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from robot_node.errors import BrokerError
from robot_node.mqtt.types import Broker

# What paho reports when the socket closed without a DISCONNECT packet.
_UNSPECIFIED_ERROR = 0x80
_MAX_REASON_CHARACTERS = 200
_REMEDIES = {
    # CONNACK and DISCONNECT reason codes: MQTT 5.0, 3.2.2.2 and 3.14.2.1
    0x84: "Use a broker that speaks MQTT 5.",
    0x85: "Choose another client id.",
    0x86: "Check the user name and password.",
    0x87: "Check the user name and password, and the broker's access rules.",
    0x8E: "Another client uses the same client id: give each its own.",
}
# OpenSSL, X509_STORE_CTX_get_error(3): X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_UNTRUSTED = {
    9: "This machine's clock is behind, as that of a Raspberry Pi without network is: 'timedatectl' shows it, 'sudo "
    "timedatectl set-ntp true' lets a time server set it.",
    10: "Make a new certificate for the broker, if this machine's clock is right: 'timedatectl' shows it.",
}


def note_reason_string(code: ReasonCode, properties: Properties | None) -> ReasonCode:
    """Attach the Reason String of a packet to its reason code, for :func:`describe`; return the code.

    Source: MQTT 5.0, 3.2.2.3.9 (CONNACK), 3.4.2.2.2 (PUBACK), 3.9.2.1.2 (SUBACK), 3.14.2.2.3 (DISCONNECT).
    """
    text = getattr(properties, "ReasonString", "")
    if text:
        # It may contain anything, and goes into logs and terminals.
        plain = "".join(char if char.isprintable() else " " for char in text[:_MAX_REASON_CHARACTERS])
        code.reason_string = plain.strip().rstrip(".")  # type: ignore[attr-defined]  # paho's class takes attributes
    return code


def describe(code: ReasonCode) -> str:
    """The name of a reason code, with the broker's Reason String if it sent one."""
    text = getattr(code, "reason_string", "")
    name = str(code).lower()
    return f'{name} (the broker says: "{text}")' if text and text.lower() != name else name


def reason_of(error: BaseException) -> str:
    """The reason, without a full stop."""
    code = getattr(error, "rc", None)
    if _code_of(error) == _UNSPECIFIED_ERROR and not getattr(code, "reason_string", ""):
        return "the connection was lost"
    if isinstance(code, ReasonCode):
        return describe(code)
    if isinstance(code, int):
        return paho.error_string(MQTTErrorCode(code)).rstrip(".").lower()
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def remedy_for(error: BaseException) -> str:
    """The remedy; empty when none is known."""
    if getattr(error, "rc", None) == MQTTErrorCode.MQTT_ERR_KEEPALIVE:
        return "The broker has fallen silent: check that it runs, and the network in between."
    return _REMEDIES.get(_code_of(error) or 0, "")


def connect_error(broker: Broker, client_id: str, error: BaseException) -> BrokerError:
    """The error for an attempt to connect that failed."""
    # aiomqtt raises its own error "from None".
    if isinstance(untrusted := error.__context__, ssl.SSLCertVerificationError):
        return BrokerError(
            f"The certificate of the MQTT broker at {broker} cannot be trusted: "
            f"{untrusted.verify_message.rstrip('.')}.",
            remedy=_UNTRUSTED.get(
                untrusted.verify_code,
                "Set broker.ca_file to the authority that signed it, and broker.url to a name in its certificate.",
            ),
        )
    alert = error.__cause__ or error.__context__  # the latter over WebSocket
    if isinstance(alert, ssl.SSLError) and (error.__cause__ or "_ALERT_" in (alert.reason or "")):
        # RFC 8446, 6.2: with TLS 1.3 we learn only now what the broker thinks of our certificate, or of its absence.
        reason = (alert.reason or str(alert)).lower().replace("_", " ")
        return BrokerError(
            f"The MQTT broker at {broker} refused our side of TLS: {reason}.",
            remedy="Set broker.cert_file and broker.key_file to a certificate that the broker's authority has signed."
            if "cert" in reason or "ca" in reason.split()
            else "See what the broker's log says.",
        )
    if _code_of(error) is None:
        return BrokerError(
            f"Cannot reach the MQTT broker at {broker}: {reason_of(error)}.",
            remedy="Check that it runs and that the address is right. 'robot-node doctor' looks closer.",
        )
    return BrokerError(
        f"The MQTT broker at {broker} refused the client {client_id}: {reason_of(error)}.", remedy=remedy_for(error)
    )


def _code_of(error: BaseException) -> int | None:
    code = getattr(error, "rc", None)
    return code.value if isinstance(code, ReasonCode) else None
