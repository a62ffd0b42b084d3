"""``robot-node setup`` under a real systemd: the robot runs, is changed, and is gone."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.systemd.machine import Machine

pytestmark = pytest.mark.timeout(300)  # the machine boots, and may be busy

_INSTALLED = "/srv/robot-node/bin/robot-node"
_COMMAND = f"""\
#!/bin/sh
# As pip would have installed it, but always on simulated hardware.
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/robot-node:/opt/packages
[ "$1" != run ] || {{ shift; set -- run --simulated "$@"; }}
exec /opt/python/bin/python3 -c 'import sys; sys.argv[0] = "{_INSTALLED}"
from robot_node.cli.main import main; main()' "$@"
"""


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    """A broker that lets in nobody but kitchen, with the password hunter2."""
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "kitchen", "hunter2"], check=True)
    async with PrivateBroker(anonymous=False, extra=f"password_file {passwords}") as broker:
        yield broker


def left_overs(machine: Machine) -> set[str]:
    """What a person would find of robot-node on the machine."""
    folders = ("/etc", "/usr/local/bin", "/var/lib", "/run/systemd/system", "/run/credentials")
    found = machine.run("sh", "-c", f"find {' '.join(folders)} -name '*robot-node*' 2>/dev/null; true").split()
    return {*found, *(line for line in machine.run("getent", "passwd").splitlines() if line.startswith("robot-node"))}


@pytest.mark.slow
async def test_setup_starts_a_robot_that_answers_changes_it_and_takes_it_away(
    machine: Machine, locked: PrivateBroker
) -> None:
    machine.run("userdel", "robot-node")
    before = left_overs(machine)
    command = machine.root / _INSTALLED.lstrip("/")
    command.parent.mkdir(parents=True)
    command.write_text(_COMMAND)
    command.chmod(0o755)
    password = machine.root / "root/password"
    password.parent.mkdir(exist_ok=True)
    password.write_text("hunter2\n")

    def setup(*options: str) -> str:
        return machine.run(_INSTALLED, "setup", "--non-interactive", *options)

    async def online() -> list[tuple[str, str]]:
        robots = await remote.online(Broker.from_url(locked.url, username="kitchen", password="hunter2"))
        return [(robot.server_id, robot.server_name) for robot in robots]

    setup("--name", "kitchen", "--broker", locked.url, "--username", "kitchen", "--password-file", "/root/password")
    assert await online() == [("kitchen", "robot-node/kitchen")]  # and its password came by systemd
    assert machine.run("systemctl", "is-enabled", "robot-node") == "enabled\n"
    examined = machine.run("sh", "-c", f"{_INSTALLED} doctor; true")
    # It finds the settings itself.
    assert "ok      credentials: The broker accepts the connection as kitchen." in examined.splitlines()
    as_anybody = f"setpriv --reuid=nobody --regid=nogroup --clear-groups {_INSTALLED} doctor 2>&1; true"
    (told,) = machine.run("sh", "-c", as_anybody).splitlines()
    assert told.startswith("not ok  settings: "), told
    assert told.endswith("with sudo in front of it."), told
    main_process = machine.run("systemctl", "show", "--value", "--property=MainPID", "robot-node")

    assert "Nothing to do" in setup()
    assert machine.run("systemctl", "show", "--value", "--property=MainPID", "robot-node") == main_process

    setup("--name", "hall")
    assert await online() == [("kitchen", "robot-node/hall")]

    settings = machine.root / "etc/robot-node/robot-node.toml"
    settings.write_text(settings.read_text().replace("robot-node/hall", "robot-node/cellar"))
    setup()  # what was changed by hand takes effect
    assert await online() == [("kitchen", "robot-node/cellar")]
    (machine.root / "etc/robot-node/credentials/client-key").touch()
    assert "systemctl restart robot-node" in setup("--dry-run")

    setup("--uninstall", "--yes")
    assert await online() == []
    assert left_overs(machine) == before
    known = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "robot-node*")
    assert known == ""
