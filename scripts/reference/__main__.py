"""Writes the reference pages: ``python -m scripts.reference``."""

from __future__ import annotations

import asyncio

from robot_node.logs.setup import configure_logging
from robot_node.settings.logs import LogSettings
from scripts.reference import FOLDER, pages


def main() -> None:
    """Write all pages."""
    configure_logging(LogSettings(level="error"))
    FOLDER.mkdir(exist_ok=True)
    for name, text in asyncio.run(pages()).items():
        FOLDER.joinpath(name).write_text(text, encoding="utf-8")


main()
