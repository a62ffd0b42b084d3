"""Tells at DEBUG how a peer connection comes about: gathering, ICE, DTLS, and the connection as a whole."""

from __future__ import annotations

import logging

from aiortc import RTCPeerConnection, RTCRtpSender

logger = logging.getLogger(__name__)


def log_steps(connection: RTCPeerConnection, sender: RTCRtpSender) -> None:
    """Log each step from now on.

    Args:
        connection: The connection.
        sender: One of its senders, which has its transport by now.
    """
    dtls = sender.transport
    connection.on("icegatheringstatechange", lambda: logger.debug("ICE gathering: %s", connection.iceGatheringState))
    connection.on("iceconnectionstatechange", lambda: logger.debug("ICE: %s", connection.iceConnectionState))
    dtls.on("statechange", lambda: logger.debug("DTLS: %s", dtls.state))
    connection.on("connectionstatechange", lambda: logger.debug("Connection: %s", connection.connectionState))
