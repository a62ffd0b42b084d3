"""Static files of the console: the built page, images of the faces, and their HTTP headers."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from robot_node.errors import NotReadyError
from robot_node.face.expressions import EXPRESSIONS
from robot_node.face.renderer import render

BUILT = Path(__file__).with_name("dist")
"""Output of the Vite build, in the wheel and after ``make setup``."""

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    # The broker may be anywhere: its address is a setting of the page.
    "connect-src 'self' ws: wss:",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types robot-node",
)


def headers(watched_at: str = "") -> Mapping[str, str]:
    """Return the headers of each answer: only the page's own resources and scripts are loaded.

    Args:
        watched_at: Another origin that the page may ask by HTTP, that of a WHEP endpoint.
    """
    policy = (f"{each} {watched_at}" if watched_at and each.startswith("connect-src ") else each for each in _POLICY)
    return MappingProxyType(
        {
            "Content-Security-Policy": "; ".join(policy),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self), camera=(self), geolocation=()",
        }
    )


_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file with its HTTP attributes.

    Attributes:
        content: Its bytes.
        compressed: The same, gzip-compressed; None if that is not smaller.
        media_type: Value of Content-Type.
        cache_control: Value of Cache-Control.
    """

    content: bytes
    compressed: bytes | None
    media_type: str
    cache_control: str


def page_files(folder: Path = BUILT) -> dict[str, PageFile]:
    """The built page, by path from ``/``; it is small, and read once.

    Raises:
        NotReadyError: it has not been built.
    """
    if not (folder / "index.html").is_file():
        raise NotReadyError(
            "The console's page has not been built.",
            remedy="Install Node 18 or later and run 'make setup'; a wheel carries it.",
        )
    files = {
        f"/{path.relative_to(folder).as_posix()}": _read(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".gz"
    }
    return {"/": files["/index.html"], **files}


def _read(path: Path) -> PageFile:
    packed = path.with_name(f"{path.name}.gz")
    return PageFile(
        content=path.read_bytes(),
        compressed=packed.read_bytes() if packed.is_file() else None,
        media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        # Vite puts a hash of the content into the names of what is in "assets".
        cache_control=_IMMUTABLE if path.parent.name == "assets" else _REVALIDATE,
    )


def face_picture(emotion: str) -> bytes | None:
    """A PNG of the face with an emotion, lit pixels on nothing; None when there is no such emotion."""
    return _face_picture(emotion) if emotion in EXPRESSIONS else None


@cache  # of the names that there are, not of all that a browser may ask for
def _face_picture(emotion: str) -> bytes:
    lit = render(EXPRESSIONS[emotion], (128, 64)).convert("L")
    picture = Image.new("LA", lit.size, (255, 0))
    picture.putalpha(lit)
    png = io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    return png.getvalue()
