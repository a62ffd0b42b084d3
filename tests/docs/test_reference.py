"""The reference pages of the documentation say what the code does."""

from __future__ import annotations

import re

import pytest

from robot_node.cli.main import app
from robot_node.errors import SettingsError
from robot_node.settings.access import TOOLS
from robot_node.settings.tree import keys
from scripts.reference import FOLDER, pages, settings


async def test_the_pages_are_what_the_code_makes_of_them() -> None:
    for name, text in (await pages()).items():
        assert FOLDER.joinpath(name).read_text() == text, f"docs/reference/{name} is stale: run 'make reference'"


def test_every_setting_tool_and_command_is_on_its_page() -> None:
    variables = {f"ROBOT_NODE_{section}__{key}".upper() for section in keys() for key in keys(section)}
    page = FOLDER.joinpath("settings.md").read_text()
    assert [variable for variable in variables if f"`{variable}`" not in page] == []
    page = FOLDER.joinpath("tools.md").read_text()
    assert [tool for tool in TOOLS if f"\n## {tool}\n" not in page] == []
    page = FOLDER.joinpath("command-line.md").read_text()
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert [name for name in names if f"\n## robot-node {name}\n" not in page] == []


def test_a_setting_without_a_comment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    said = settings.comments(settings.SHIPPED.read_text())
    assert said["camera", "rotate"] == "degrees clockwise: 0, 90, 180 or 270, as the camera is mounted"
    assert said["robot", "server_id"].startswith("MQTT client id of the robot, unique on its broker.")
    del said["camera", "rotate"]
    monkeypatch.setattr(settings, "comments", lambda _: said)
    with pytest.raises(
        SettingsError, match=r"camera\.rotate has no comment\. Write one next to it in robot-node\.toml"
    ):
        settings.settings_page()


def test_every_setting_that_a_page_names_exists() -> None:
    known = {section: keys(section) for section in keys()}
    named = [("README.md", (FOLDER.parents[1] / "README.md").read_text())]
    named += [(page.name, page.read_text()) for page in FOLDER.parent.rglob("*.md")]
    wrong = []
    for page, text in named:
        said = re.findall(r"`([a-z_]+)\.([a-z_]+)(?: = [^`]*)?`", text)
        said += [(a.lower(), b.lower()) for a, b in re.findall(r"ROBOT_NODE_([A-Z_]+?)__([A-Z][A-Z_]+)", text)]
        wrong += [(page, section, key) for section, key in said if section in known and key not in known[section]]
    assert [entry for entry in wrong if entry[2] not in {"local", "example"}] == []  # hosts' names
