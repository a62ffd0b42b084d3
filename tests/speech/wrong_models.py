"""What can be wrong with a folder of a model that has a manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def changed(name: str, content: bytes) -> Callable[[Path], None]:
    """A file has another content."""

    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def replaced(what: str, by: str) -> Callable[[Path], None]:
    """The manifest says something else."""

    def change(folder: Path) -> None:
        manifest = folder / "model.toml"
        assert what in manifest.read_text()
        manifest.write_text(manifest.read_text().replace(what, by))

    return change
