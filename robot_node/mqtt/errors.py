"""Errors of aiomqtt and paho-mqtt in plain words: the reason, and the remedy."""

from __future__ import annotations

import ssl

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from robot_node.core.text import printable
from robot_node.errors import BrokerError
from robot_node.mqtt.types import Broker

# What paho reports when the socket closed without a DISCONNECT packet.
_UNSPECIFIED_ERROR = 0x80
_LOST = "the connection was lost"
_TIMEOUT = "Operation timed out"  # aiomqtt's
_MAX_REASON_CHARACTERS = 200
_NOT_ALLOWED = 0x87
_TOPIC_NOT_ALLOWED = "Allow this topic for this client in the broker's access rules; 'robot-node doctor' looks closer."
_DISAGREEMENT = "Robot-node and the broker disagree about the protocol: see the broker's log, and report it."
_NOT_USED = "Robot-node does not use what the broker refuses: see the broker's log, and report it."
# By reason code (MQTT 5.0, 2.4), whatever packet carries it: CONNACK, SUBACK, UNSUBACK, PUBACK or DISCONNECT.
_REMEDIES = {
    _UNSPECIFIED_ERROR: "See what the broker's log says.",
    0x81: _DISAGREEMENT,
    0x82: _DISAGREEMENT,
    0x83: "The broker has a rule or limit of its own against this: see the broker's log.",
    0x84: "Use a broker that speaks MQTT 5.",
    0x85: "Choose another client id.",
    0x86: "Check the user name and password.",
    _NOT_ALLOWED: "Check the user name and password, and the broker's access rules.",
    0x88: "The broker is not ready for clients yet: see the broker's log if that lasts.",
    0x89: "The broker is overloaded: see the broker's log if that lasts.",
    0x8A: "Have the broker's administrator lift the ban on this client id, user or address.",
    0x8B: "The broker stops or restarts: wait until it is back.",
    0x8C: "Have the broker accept a user name and password, or a certificate: robot-node has no other authentication.",
    0x8D: "Packets of this machine came too late: check the network in between and the load here, or raise "
    "broker.keepalive_s.",
    0x8E: "Another client uses the same client id: give each its own.",
    0x8F: "The broker does not permit the form of this topic filter: see its settings for topics.",
    0x90: "The broker does not permit the form of this topic, which has the ids and the server name in it: see its "
    "settings for topics.",
    0x91: _DISAGREEMENT,
    0x92: _DISAGREEMENT,
    0x93: "Raise the broker's limit on messages that are under way to it (receive maximum).",
    0x94: _NOT_USED,  # topic aliases
    0x95: "Raise the broker's limit on the size of a packet (mosquitto: max_packet_size).",
    0x96: "Raise the broker's limit on the messages of a client per second.",
    0x97: "Raise the broker's limit that is reached: on clients, subscriptions, messages or bytes.",
    0x98: "The broker's administrator ended this: ask there.",
    0x99: "A rule of the broker refuses the content of this message: change that rule.",
    0x9A: "Have the broker permit retained messages: a robot's presence is one (mosquitto: retain_available).",
    0x9B: "Have the broker permit QoS 1 (mosquitto: max_qos).",
    0x9C: "Set broker.url to the server that the broker's log or administrator names.",
    0x9D: "Set broker.url to the broker's new address.",
    0x9E: _NOT_USED,  # shared subscriptions
    0x9F: "Wait, or raise the broker's limit on new connections per second.",
    0xA0: "Raise the broker's limit on the duration of a connection.",
    0xA1: _NOT_USED,  # subscription identifiers
    0xA2: "Have the broker permit wildcard subscriptions: MCP over MQTT needs them.",
}
# OpenSSL, X509_STORE_CTX_get_error(3): X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_UNTRUSTED = {
    9: "This machine's clock is behind, as that of a Raspberry Pi without network is: 'timedatectl' shows it, 'sudo "
    "timedatectl set-ntp true' lets a time server set it.",
    10: "Make a new certificate for the broker, if this machine's clock is right: 'timedatectl' shows it.",
}


class BrokenProtocolError(aiomqtt.MqttError):
    """The broker sent what MQTT 5 does not permit, and was disconnected."""

    def __init__(self) -> None:
        super().__init__("the other side does not keep to the rules of MQTT 5")


def note_reason_string(code: ReasonCode, properties: Properties | None) -> ReasonCode:
    """Attach the Reason String of a packet to its reason code, for :func:`describe`; return the code.

    Source: MQTT 5.0, 3.2.2.3.9 (CONNACK), 3.4.2.2.2 (PUBACK), 3.9.2.1.2 (SUBACK), 3.14.2.2.3 (DISCONNECT).
    """
    text = getattr(properties, "ReasonString", "")
    if text:
        # It may contain anything, and goes into logs and terminals.
        code.reason_string = printable(text[:_MAX_REASON_CHARACTERS]).rstrip(".")  # type: ignore[attr-defined]  # paho's class takes attributes
    return code


def describe(code: ReasonCode) -> str:
    """The name of a reason code, with the broker's Reason String if it sent one."""
    text = getattr(code, "reason_string", "")
    name = str(code).lower()
    return f'{name} (the broker says: "{text}")' if text and text.lower() != name else name


def reason_of(error: BaseException) -> str:
    """The reason, without a full stop."""
    code = getattr(error, "rc", None)
    is_said = getattr(code, "reason_string", "") or getattr(code, "packetType", None) != PacketTypes.DISCONNECT
    if _code_of(error) == _UNSPECIFIED_ERROR and not is_said:
        return _LOST
    if isinstance(code, ReasonCode):
        return describe(code)
    if isinstance(code, int):
        return paho.error_string(MQTTErrorCode(code)).rstrip(".").lower()
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def remedy_for(error: BaseException) -> str:
    """The remedy; empty when none is known."""
    code = getattr(error, "rc", None)
    if code == MQTTErrorCode.MQTT_ERR_KEEPALIVE:
        return "The broker has fallen silent: check that it runs, and the network in between."
    if str(error) == _TIMEOUT:
        return "The broker did not answer in time: check its load, and the network in between."
    if isinstance(error, BrokenProtocolError):
        return "Check that broker.url leads to a broker that speaks MQTT 5, and see its log."
    if not isinstance(code, ReasonCode) or reason_of(error) == _LOST:
        return ""
    return remedy_of(code)


def remedy_of(code: ReasonCode) -> str:
    """The remedy for what a broker refuses or ends, a sentence; empty for a code that MQTT does not have."""
    if code.value == _NOT_ALLOWED and code.packetType in {PacketTypes.SUBACK, PacketTypes.UNSUBACK, PacketTypes.PUBACK}:
        return _TOPIC_NOT_ALLOWED
    return _REMEDIES.get(code.value, "")


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
