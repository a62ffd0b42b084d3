"""The robot's DTLS certificate: accepts peers whose certificate has an RSA key, as GStreamer's has; named by SHA-256.

Uses private names of aiortc, as :mod:`robot_node.webrtc.aiortc_hooks` does; the same tests check them.
"""

from __future__ import annotations

from typing import Any

from aiortc import rtcpeerconnection
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint

CHECKED_VERSIONS = {"aiortc": "1.16"}
"""What the private names below were checked against; pyproject.toml allows no later minor versions."""

PRIVATE_NAMES = {"aiortc.rtcdtlstransport:RTCCertificate": ("_create_ssl_context",)}
"""By module and class."""

_SUITES = ("AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES128-SHA", "AES256-SHA")
_CIPHERS = ":".join(f"ECDHE-{key}-{suite}" for key in ("ECDSA", "RSA") for suite in _SUITES).encode()


class Certificate(RTCCertificate):
    """aiortc's certificate, with cipher suites for both kinds of peers' keys, and one fingerprint.

    As DTLS client, which an answerer is, aiortc offers suites for ECDSA keys only (RFC 8827, 6.5, requires no others).
    """

    def getFingerprints(self) -> list[RTCDtlsFingerprint]:  # noqa: N802  # aiortc's name
        """That of SHA-256, which every peer knows (RFC 8122, 5), as browsers do.

        aiortc adds SHA-384 and SHA-512. libdatachannel takes the last; when ICE connects while it reads our answer, it
        still computes SHA-256, compares the two, and refuses the certificate.
        """
        return [fingerprint for fingerprint in super().getFingerprints() if fingerprint.algorithm == "sha-256"]

    def _create_ssl_context(self, *args: Any, **kwargs: Any) -> Any:
        context = super()._create_ssl_context(*args, **kwargs)
        context.set_cipher_list(_CIPHERS)
        return context


def install() -> None:
    """Make aiortc use it, in all of this process."""
    # It creates its own by this module name; its configuration takes no certificate.
    rtcpeerconnection.RTCCertificate = Certificate  # type: ignore[attr-defined]
