"""docs/coding-agents.md and AGENTS.md: commands work, and what they name is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from robot_node.apps.private_broker import PrivateBroker
from tests.guide import DOCS, Terminal, blocks, robot

ROOT = DOCS.parent


@pytest.mark.slow  # starts a command four times
async def test_what_there_is_can_be_seen(broker: PrivateBroker, tmp_path: Path) -> None:
    async with robot(broker):
        said = await Terminal(tmp_path, broker).run(blocks("coding-agents.md")["see what there is"])
    assert json.loads(said.splitlines()[0])
    assert "demo-robot" in said
    with Image.open(tmp_path / "photo.jpg") as picture:
        assert picture.size == (320, 240)


def test_paths_and_targets_that_agents_read_of_are_there() -> None:
    text = (ROOT / "AGENTS.md").read_text()
    paths = re.findall(r"`((?:robot_node|tests|docs|hw_mocks)/[\w/.-]*|[\w-]+\.(?:toml|md))", text)
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []
    makefile = (ROOT / "Makefile").read_text()
    assert [name for name in re.findall(r"`make (\w+)`", text) if f"\n{name}:" not in makefile] == []
