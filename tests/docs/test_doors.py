"""The security page has a row for each path of the robot's HTTP server, and for what else opens a robot."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_each_door_has_a_row() -> None:
    section = re.search(r"^## Doors\n(.*?)^## ", (DOCS / "security.md").read_text(), re.MULTILINE | re.DOTALL)
    assert section
    rows = re.findall(r"^\| (.*?) \|", section[1], re.MULTILINE)
    paths = re.findall(r"^\| `(/[^`]*)`", (DOCS / "http.md").read_text(), re.MULTILINE)
    assert len(paths) >= 8
    others = ["robot-node console", "[console]", "[metrics]", "[publish]"]
    others += ["home_assistant.pictures", "home_assistant.control"]
    assert not [door for door in (*paths, *others) if not any(f"`{door}`" in row for row in rows)]
