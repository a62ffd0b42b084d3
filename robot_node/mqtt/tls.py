"""TLS for MQTT: verifies the broker's certificate, and presents a client certificate where one is configured."""

from __future__ import annotations

import ssl

from robot_node.errors import BrokerError
from robot_node.mqtt.types import Broker


class _Socket(ssl.SSLSocket):
    """A socket that is closed when its handshake fails: paho leaves it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT002  # the base class's signature
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(broker: Broker) -> ssl.SSLContext:
    """Create the TLS context for a broker. Reads files: not for the event loop.

    TLS 1.2 at least; the certificate must be signed by a trusted authority and name the host that we asked for.

    Raises:
        BrokerError: a certificate or key cannot be read or used; says which file and why.
    """
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
    except OSError as error:
        raise BrokerError(
            f"The certificate authorities in {broker.ca_file} cannot be used: {_reason(error)}.",
            remedy="Set broker.ca_file to a PEM file that robot-node's user may read.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Socket
    if broker.cert_file is None:
        return context
    try:
        # Without a password OpenSSL would ask at the terminal for that of an encrypted key.
        context.load_cert_chain(broker.cert_file, broker.key_file, broker.key_password or "")
    except OSError as error:
        raise BrokerError(
            f"The client certificate {broker.cert_file} with the key {broker.key_file or 'in the same file'} cannot be "
            f"used: {_reason(error)}.",
            remedy="Set broker.cert_file and broker.key_file to PEM files that belong together and that robot-node's "
            "user may read, and broker.key_password if the key has one.",
        ) from error
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        # OpenSSL's own text is "[SSL] PEM lib (_ssl.c:3874)".
        return {
            "KEY_VALUES_MISMATCH": "the key belongs to another certificate",
            "BAD_DECRYPT": "the key's password is missing or wrong",
            "BAD_PASSWORD_READ": "the key's password is missing or wrong",
        }.get(error.reason or "", "it is no certificate or key in PEM form, or the key's password is missing or wrong")
    return error.strerror or str(error)
