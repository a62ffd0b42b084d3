"""docs/operations.md: what can be tried without a Pi does what it says."""

from __future__ import annotations

import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.robot_process import is_retained, plain_client
from tests.guide import Terminal, blocks, robot

SAID = blocks("operations.md")
PRESENCE = "$mcp-server/presence/robot-kitchen/robot-node/kitchen"
# A folder stands for the computer's root, and nothing is restarted.
IN_A_FOLDER = """
root=$PWD/root
sudo() { "$@"; }
tar() { command tar "${@/#\\//$root/}"; }
mosquitto_passwd() { command mosquitto_passwd "${@/#\\//$root/}"; }
robot-node() { .venv/bin/robot-node "$@" --root "$root"; }
systemctl() { echo "systemctl $*"; }
"""
pytestmark = pytest.mark.timeout(400)  # each starts several programs, on a busy machine


@pytest.mark.slow
async def test_all_robots_are_asked(broker: PrivateBroker, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, broker)
    async with robot(broker, "robot-kitchen", "robot-node/kitchen"), robot(broker, "robot-two", "robot-node/two"):
        said = await terminal.run("PATH=$PWD/.venv/bin:$PATH\n" + SAID["ask all"])
    called, found = said.split("SERVER ID")[1:]
    for robot_id, name in (("robot-kitchen", "robot-node/kitchen"), ("robot-two", "robot-node/two")):
        assert re.search(rf'^{robot_id} +{name} +ok +{{"camera": "off",', called, re.MULTILINE)
        assert re.search(rf"^{robot_id} +{name} +off +{metadata.version('robot-node')} ", found, re.MULTILINE)


async def test_a_robot_is_backed_up_and_brought_back(broker: PrivateBroker, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, broker)
    settings = tmp_path / "root" / "etc" / "robot-node" / "robot-node.toml"
    state = tmp_path / "root" / "var" / "lib" / "robot-node" / "state.json"
    for file in (settings, state):
        file.parent.mkdir(parents=True)
    settings.write_text('[robot]\nserver_id = "robot-kitchen"\n')
    settings.chmod(0o640)
    state.write_text("{}")
    await terminal.run(IN_A_FOLDER + SAID["back up"])
    assert (tmp_path / "robot-kitchen.tar.gz").stat().st_mode & 0o777 == 0o600
    shutil.rmtree(tmp_path / "root")
    (tmp_path / "root").mkdir()
    await terminal.run(IN_A_FOLDER + SAID["restore"])
    assert 'server_id = "robot-kitchen"' in settings.read_text()
    assert settings.stat().st_mode & 0o007 == 0
    assert state.read_text() == "{}"


async def test_a_robot_is_taken_off_the_broker(broker: PrivateBroker, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, broker)
    passwords = tmp_path / "root" / "etc" / "mosquitto" / "robots.passwd"
    passwords.parent.mkdir(parents=True)
    await terminal.run(f"mosquitto_passwd -c -b {passwords} robot-kitchen x; mosquitto_passwd -b {passwords} anna y")
    said = await terminal.run(IN_A_FOLDER + SAID["take away"])
    assert said == "systemctl restart mosquitto\n"
    assert [line.partition(":")[0] for line in passwords.read_text().splitlines()] == ["anna"]


async def test_a_ghost_goes(broker: PrivateBroker, tmp_path: Path) -> None:
    async with plain_client(broker, "old-program") as ghost:
        await ghost.publish(PRESENCE, b"{}", qos=1, retain=True)
        assert await is_retained(broker, PRESENCE)
        await Terminal(tmp_path, broker).run(SAID["ghost"])
        assert not await is_retained(broker, PRESENCE)
