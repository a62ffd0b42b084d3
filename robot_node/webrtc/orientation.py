"""Video that the receiver is to rotate: the RTP header extension for Coordination of Video Orientation (CVO).

RFC 7742, section 4, and 3GPP TS 26.114, section 7.4.5. aiortc does not know it; the private names that this takes are
checked by ``tests/test_private_names.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpSender
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, pack_header_extensions, unpack_header_extensions

URI = "urn:3gpp:video-orientation"

CHECKED_VERSIONS = {"aiortc": "1.16"}
"""What the private name below was checked against; pyproject.toml allows no later minor version."""

PRIVATE_NAMES = {"aiortc.rtcrtpsender:RTCRtpSender": ("__rtp_header_extensions_map",)}
"""By module and class."""

_FREE_ID = 4  # aiortc has 1 to 3, shared by all kinds of media (RFC 8285, 6)
_EXTENSIONS_MAP = "_RTCRtpSender__rtp_header_extensions_map"


class _OrientationMap(HeaderExtensionsMap):
    """aiortc's header extensions, and that of the orientation when it is needed."""

    def __init__(self, rotation: Callable[[], int]) -> None:
        super().__init__()
        self._rotation = rotation
        self._was_rotated = False
        self.orientation_id: int | None = None

    def configure(self, parameters: RTCRtpParameters) -> None:
        super().configure(parameters)
        self.orientation_id = next((each.id for each in parameters.headerExtensions if each.uri == URI), None)

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        profile, extensions = super().set(values)
        rotation = self._rotation()
        if self.orientation_id is None or not (rotation or self._was_rotated):
            return profile, extensions
        self._was_rotated = True  # from now on 0 has to be said as well
        # The camera's number, 0, and the flip, 0, then two bits: quarter turns clockwise.
        orientation = (self.orientation_id, bytes([rotation // 90 % 4]))
        return pack_header_extensions([*unpack_header_extensions(profile, extensions), orientation])


def offer_orientation() -> None:
    """Let descriptions name the extension, where an offer or the robot's own offer has video."""
    if not any(each.uri == URI for each in HEADER_EXTENSIONS["video"]):
        HEADER_EXTENSIONS["video"].append(RTCRtpHeaderExtensionParameters(id=_FREE_ID, uri=URI))


def send_orientation(sender: RTCRtpSender, rotation: Callable[[], int]) -> None:
    """Tell the receiver with each packet how to rotate the picture, if its description has the extension.

    Args:
        sender: Of video, before it sends.
        rotation: Returns the degrees clockwise: 0, 90, 180 or 270.

    Raises:
        AttributeError: This version of aiortc packs header extensions in another way.
    """
    _map_of(sender)
    setattr(sender, _EXTENSIONS_MAP, _OrientationMap(rotation))


def receiver_rotates(sender: RTCRtpSender) -> bool:
    """Whether the receiver's description has the extension."""
    found = _map_of(sender)
    return isinstance(found, _OrientationMap) and found.orientation_id is not None


def _map_of(sender: RTCRtpSender) -> Any:
    return getattr(sender, _EXTENSIONS_MAP)


offer_orientation()
