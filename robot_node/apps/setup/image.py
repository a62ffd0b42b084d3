"""Paths in a mounted system image: its symbolic links are the image's, and never lead out of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from robot_node.errors import SetupError

_MOST_LINKS = 40  # as Linux: path_resolution(7)
_ACCOUNT_FILES = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid", ".pwd.lock")


def path_in(root: Path, path: str, *, follow_last: bool = True) -> Path:
    """Return where a path of the target machine is on this one, as openat2(2) with RESOLVE_IN_ROOT finds it.

    Args:
        root: ``/``, or the folder where an image is mounted, without symbolic links.
        path: Path on the target machine.
        follow_last: Whether to follow the last component, too, if it is a symbolic link.

    Raises:
        OSError: Its links lead in a circle.
    """
    if root == Path("/"):
        return root / path.lstrip("/")
    found: list[str] = []
    rest = path.split("/")[::-1]
    links = 0
    while rest:
        part = rest.pop()
        here = root.joinpath(*found, part)
        if part == "..":
            found[-1:] = []
        elif part in {"", "."}:
            continue
        elif here.is_symlink() and (rest or follow_last):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(root / path.lstrip("/")))
            target = os.readlink(here)  # noqa: PTH115  # unchanged, where Path would normalise it
            if target.startswith("/"):
                found.clear()
            rest += target.split("/")[::-1]
        else:
            found.append(part)
    return root.joinpath(*found)


def refuse_linked_accounts(root: Path) -> None:
    """Refuse an image whose files of users and groups are links: useradd would follow them out of the image.

    Raises:
        SetupError: One is.
    """
    folder = root / "etc"
    entries = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    # With backups, locks and temporary files: passwd-, passwd.lock, passwd+ and so on.
    for path in (folder, *(entry for entry in entries if entry.name.startswith(_ACCOUNT_FILES))):
        if path.is_symlink():
            raise SetupError(
                f"{path} is a symbolic link: useradd could follow it out of the image.",
                remedy="Replace it by what it leads to.",
            )
