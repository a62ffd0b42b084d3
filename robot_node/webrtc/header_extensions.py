"""RTP header extensions of sent video that aiortc does not know: how to rotate it, and to display it without delay.

The private names that this takes are checked by ``tests/test_private_names.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpSender
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, pack_header_extensions, unpack_header_extensions

ORIENTATION = "urn:3gpp:video-orientation"
"""Coordination of Video Orientation (CVO): RFC 7742, section 4, and 3GPP TS 26.114, section 7.4.5."""

PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
"""By how much a receiver may delay a frame: minimum and maximum, 12 bits each, in units of 10 ms."""

CHECKED_VERSIONS = {"aiortc": "1.16"}
"""What the private name below was checked against; pyproject.toml allows no later minor version."""

PRIVATE_NAMES = {"aiortc.rtcrtpsender:RTCRtpSender": ("__rtp_header_extensions_map",)}
"""By module and class."""

_FREE_IDS = {ORIENTATION: 4, PLAYOUT_DELAY: 5}  # aiortc has 1 to 3, shared by all kinds of media (RFC 8285, 6)
_EXTENSIONS_MAP = "_RTCRtpSender__rtp_header_extensions_map"
# A robot is controlled by what is seen: browsers else smooth the movement with a delay of 10 ms and more.
_NO_DELAY = bytes(3)


class VideoExtensionsMap(HeaderExtensionsMap):
    """aiortc's header extensions, and ours where the receiver's description has them."""

    def __init__(self, rotation: Callable[[], int]) -> None:
        super().__init__()
        self._rotation = rotation
        self._was_rotated = False
        self._constant: list[tuple[int, bytes]] = []
        self._packed_constant = pack_header_extensions([])
        self.orientation_id: int | None = None

    def configure(self, parameters: RTCRtpParameters) -> None:
        """Take the ids of a description's extensions."""
        super().configure(parameters)
        ids = {each.uri: each.id for each in parameters.headerExtensions}
        self.orientation_id = ids.get(ORIENTATION)
        if (delay_id := ids.get(PLAYOUT_DELAY)) is not None:
            self._constant = [(delay_id, _NO_DELAY)]
            self._packed_constant = pack_header_extensions(self._constant)

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        """Return the profile and the extensions of one packet (RFC 8285)."""
        profile, packed = super().set(values)
        rotation = self._rotation()
        if self.orientation_id is not None and (rotation or self._was_rotated):
            self._was_rotated = True  # from now on 0 has to be said as well
            # The camera's number, 0, and the flip, 0, then two bits: quarter turns clockwise.
            orientation = (self.orientation_id, bytes([rotation // 90 % 4]))
            return pack_header_extensions([*unpack_header_extensions(profile, packed), *self._constant, orientation])
        if not self._constant:
            return profile, packed
        own_profile, own = self._packed_constant
        if profile == own_profile:  # no second packing: this runs for each packet of each viewer
            return profile, packed + own  # with padding between them, which RFC 8285, 4.1.2, allows anywhere
        return pack_header_extensions([*unpack_header_extensions(profile, packed), *self._constant])


def offer_extensions() -> None:
    """Let descriptions name the extensions, where an offer or the robot's own offer has video."""
    named = {each.uri for each in HEADER_EXTENSIONS["video"]}
    HEADER_EXTENSIONS["video"].extend(
        RTCRtpHeaderExtensionParameters(id=number, uri=uri) for uri, number in _FREE_IDS.items() if uri not in named
    )


def send_extensions(sender: RTCRtpSender, rotation: Callable[[], int]) -> None:
    """Tell the receiver with each packet how to rotate the picture, and not to delay it, if it understands that.

    Args:
        sender: Of video, before it sends.
        rotation: Returns the degrees clockwise: 0, 90, 180 or 270.

    Raises:
        AttributeError: This version of aiortc packs header extensions in another way.
    """
    _map_of(sender)
    setattr(sender, _EXTENSIONS_MAP, VideoExtensionsMap(rotation))


def receiver_rotates(sender: RTCRtpSender) -> bool:
    """Whether the receiver's description has the extension of the orientation."""
    found = _map_of(sender)
    return isinstance(found, VideoExtensionsMap) and found.orientation_id is not None


def _map_of(sender: RTCRtpSender) -> Any:
    return getattr(sender, _EXTENSIONS_MAP)


offer_extensions()
