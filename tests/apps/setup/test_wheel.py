"""The wheel in environments of its own: the bridge by pipx and uvx, and updates of a robot that runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.apps.setup.executor import Executor
from robot_node.apps.setup.update import Update, plan_update, run_update
from robot_node.errors import SetupError
from robot_node.mqtt import Broker
from tests.end_to_end.robot_process import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # packages come from an index

ROOT = Path(__file__).parents[3]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(None))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    run(*command)
    return next(folder.glob("*.whl"))


def other_version(wheel: Path, version: str, *, broken: bool = False) -> Path:
    """The same wheel as another version; a broken one's robot ends before it is online, and its doctor is well."""
    made = wheel.with_name(f"robot_node-{version}-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(made, "w") as new:
        present = next(name for name in old.namelist() if name.endswith(".dist-info/METADATA")).partition("/")[0]
        number = present.removeprefix("robot_node-").removesuffix(".dist-info")
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("METADATA"):
                content = content.replace(f"\nVersion: {number}\n".encode(), f"\nVersion: {version}\n".encode())
            if name == "robot_node/daemon.py" and broken:
                content += b"\nraise ValueError('this version is broken')\n"
            if name.endswith("RECORD"):
                content = content.replace(present.encode(), f"robot_node-{version}.dist-info".encode())
            new.writestr(name.replace(present, f"robot_node-{version}.dist-info"), content)
    return made


@pytest.fixture(scope="module")
def installers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installers")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "install", "--quiet", "pipx", "uv")
    return folder / "bin"


@pytest.mark.parametrize("words", [("pipx", "run", "--spec"), ("uvx", "--from")], ids=["pipx", "uvx"])
async def test_a_desktop_agent_starts_the_bridge_without_an_installation(
    words: tuple[str, ...], wheel: Path, installers: Path, broker: PrivateBroker, tmp_path: Path
) -> None:
    program, *options = words
    homes = {"PIPX_HOME": str(tmp_path / "pipx"), "UV_CACHE_DIR": str(tmp_path / "uv")}
    started = StdioServerParameters(
        command=str(installers / program),
        args=[*options, str(wheel), "robot-node", "bridge"],
        env=environment(broker, {**homes, "PATH": f"{installers}:{os.environ['PATH']}"}),
    )
    async with Client(stdio_client(started), mode="legacy") as client:
        assert "list_robots" in {tool.name for tool in (await client.list_tools()).tools}
        assert not (await client.call_tool("list_robots", {})).is_error


class Machine:
    """A machine whose robot runs, from ``opt/.venv``, in the version of the wheel."""

    def __init__(self, tmp: Path, broker: PrivateBroker) -> None:
        self.broker = broker
        self.tmp = tmp
        self.environment = tmp / "opt/.venv"
        self.program = self.environment / "bin/robot-node"
        (tmp / "robot-node.toml").write_text(
            f'[robot]\nserver_id = "updated"\nstate_file = "none"\n[broker]\nurl = "{broker.url}"\n'
        )
        (tmp / "bin").mkdir()
        systemctl = Path(__file__).with_name("systemctl.py")
        self._systemctl = (sys.executable, str(systemctl), str(tmp), str(self.program))
        (tmp / "bin/systemctl").write_text(f'#!/bin/sh\nexec {" ".join(self._systemctl)} "$@"\n')
        (tmp / "bin/systemctl").chmod(0o755)

    def systemctl(self, verb: str) -> None:
        run(*self._systemctl, verb, "robot-node.service")

    def plan(self, wheel: Path) -> Update:
        planned = plan_update(str(self.program), wheel, settings=str(self.tmp / "robot-node.toml"))
        assert planned.environment == self.environment
        return planned

    def version(self) -> str:
        return run(self.program, "--version").strip()

    async def online(self) -> list[str]:
        return [robot.server_id for robot in await remote.online(Broker.from_url(self.broker.url))]


@pytest.fixture
async def machine(
    wheel: Path, tmp_path: Path, broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Machine]:
    made = Machine(tmp_path, broker)
    run(sys.executable, "-m", "venv", made.environment)
    constraints = str(ROOT / "constraints.txt")
    # numpy is what a simulated robot needs in addition: something that was added by hand.
    run(made.environment / "bin/pip", "install", "--quiet", "-c", constraints, wheel, "numpy")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made.systemctl("start")
    yield made
    made.systemctl("stop")


async def test_a_robot_is_updated_and_returns_by_itself_from_a_version_that_does_not_come_online(
    machine: Machine, wheel: Path
) -> None:
    first = machine.version()
    reported: list[str] = []
    with pytest.raises(SetupError, match=r"99\.0 did not come online; the previous version runs again"):
        run_update(machine.plan(other_version(wheel, "99.0", broken=True)), Executor(Path("/")), reported.append)
    assert machine.version() == first
    assert await machine.online() == ["updated"]

    run_update(machine.plan(other_version(wheel, "99.1")), Executor(Path("/")), reported.append)
    assert machine.version() == "99.1"
    assert await machine.online() == ["updated"]
    assert any("numpy" in line for line in reported)
    assert machine.environment.readlink() == Path("robot-node-99.1")
