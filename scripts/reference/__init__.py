"""Makes the reference pages of the documentation from the code: ``make reference``."""

from __future__ import annotations

from pathlib import Path

from scripts.reference.camera import camera_page
from scripts.reference.command_line import command_line_page
from scripts.reference.interoperability import interoperability_page
from scripts.reference.monitoring import monitoring_page
from scripts.reference.settings import settings_page
from scripts.reference.tools import tools_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
"""Where they are kept, for readers of the repository; a test fails while they differ from the code."""


async def pages() -> dict[str, str]:
    """All pages, by file name."""
    return {
        "camera-states.md": camera_page(),
        "settings.md": settings_page(),
        "command-line.md": command_line_page(),
        "tools.md": await tools_page(),
        "monitoring.md": await monitoring_page(),
        "../interoperability.md": interoperability_page(),
    }
