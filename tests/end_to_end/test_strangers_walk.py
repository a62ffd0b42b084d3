"""A stranger, with a new folder and a clone, types every command of the README and of "Get started"; and the packages.

What is walked is what is committed. The tests share the clone: one file, so that one worker makes it once.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.apps.setup.system_image import make_image
from tests.end_to_end.stranger import REPOSITORY, Background, Stranger, commands_of
from tests.end_to_end.walk_steps import ENVIRONMENT_OF_THE_PI, GET_STARTED, INSTALLED_ON_THE_PI, README, Step

pytestmark = pytest.mark.timeout(900)  # packages are fetched, installed and built


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    newcomer = Stranger(tmp_path_factory.mktemp("stranger"))
    newcomer.get()
    return newcomer


@pytest.mark.parametrize(("page", "steps"), [("README.md", README), ("docs/get-started.md", GET_STARTED)])
def test_the_walk_knows_every_command_of_the_page(page: str, steps: Sequence[Step]) -> None:
    """A new one belongs in walk_steps.py, with what it does."""
    assert commands_of((REPOSITORY / page).read_text()) == [step.command for step in steps]


def test_what_the_walk_does_not_run_has_its_reason() -> None:
    assert not [step for step in (*README, *GET_STARTED) if (step.not_run or step.instead) and not step.why]


async def walk(stranger: Stranger, steps: Sequence[Step], image: Path) -> None:
    """Type commands, one after the other, and see that each does what it should."""
    words = {"root": str(image), "broker": ""}
    async with contextlib.AsyncExitStack() as terminals:
        running: list[Background] = []
        for step in steps:
            if step.not_run:
                continue
            command = step.instead.format(**words) if step.instead else step.command
            if step.goes_on:
                running.append(await terminals.enter_async_context(stranger.starts(command)))
                await running[-1].says(step.says)
                words["broker"] = tell_where_the_broker_is(stranger, running[-1].said)
            else:
                said = await stranger.types(command)
                assert re.search(step.says, said), f"{command}\n{said}"
            for name, beginning in step.leaves.items():
                assert beginning in (stranger.clone / name).read_bytes()[:16], name
                (stranger.clone / name).unlink()
            if step.service:
                running.append(await terminals.enter_async_context(stranger.starts(step.service.format(**words))))
                await running[-1].says("Online as")
        while running:
            await running.pop().interrupt()


def tell_where_the_broker_is(stranger: Stranger, said: str) -> str:
    """The page's commands mean port 1883; while another demo has it, a person adds what the demo prints."""
    found = re.search(r"Broker: (mqtt://\S+),", said)
    assert found
    stranger.environment["ROBOT_NODE_BROKER__URL"] = found[1]
    return found[1]


@pytest.mark.slow
async def test_every_command_of_the_readme_does_what_it_says(stranger: Stranger, tmp_path: Path) -> None:
    await walk(stranger, README, tmp_path)


@dataclass(frozen=True)
class Packages:
    """What can be installed."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def packages(stranger: Stranger) -> Packages:
    """Built as 'make dist' does, the wheel out of the sdist, with the tools of our own environment."""
    stranger.does(f"{shlex.quote(sys.executable)} -m build --no-isolation --outdir packages")
    folder = stranger.clone / "packages"
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Packages(wheel, sdist)


@pytest.mark.slow
def test_a_wheel_and_an_sdist_carry_what_a_robot_needs_and_nothing_else(stranger: Stranger, packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        unit = archive.read("robot_node/apps/setup/templates/robot-node.service")
        settings = archive.read("robot_node/apps/setup/templates/robot-node.toml")
    assert unit == (stranger.clone / "systemd/robot-node.service").read_bytes()
    assert settings == (stranger.clone / "config/robot-node.toml").read_bytes()
    assert {name.partition("/")[0] for name in packed} == {"robot_node", "hw_mocks"}
    assert {"robot_node/cli/main.py", "hw_mocks/platform.py", "robot_node/console/dist/index.html"} <= packed
    assert [name for name in packed if re.fullmatch(r"robot_node/console/dist/assets/index-.*\.js", name)]
    needless = re.compile(r"(^|/)(tests|node_modules|src|__pycache__)/|\.(ts|tsx|map)$|package.*\.json$")
    assert not [name for name in packed if needless.search(name)]

    with tarfile.open(packages.sdist) as unpacked:
        names = {name.partition("/")[2] for name in unpacked.getnames()}
    assert {"Makefile", "README.md", "config/robot-node.toml", "systemd/robot-node.service"} <= names
    assert "robot_node/console/dist/index.html" in names
    assert "tests/end_to_end/test_strangers_walk.py" in names
    assert not [name for name in names if re.search(r"(^|/)(node_modules|\.venv|\.git)/", name)]


@dataclass(frozen=True)
class Pi:
    """A system image with robot-node in it, installed from the wheel.

    Attributes:
        root: Its folder.
        fresh: What was in it before.
        robot_node: How to call the command, far from the clone.
    """

    root: Path
    fresh: Sequence[Path]
    robot_node: str


@pytest.fixture(scope="module")
def pi(stranger: Stranger, packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Pi:
    root = make_image(tmp_path_factory.mktemp("pi") / "image")
    fresh = files_of(root)
    for command in (ENVIRONMENT_OF_THE_PI, INSTALLED_ON_THE_PI):
        stranger.does(command.format(root=root, wheel=packages.wheel, python=shlex.quote(sys.executable)))
    return Pi(root, fresh, f"cd {root} && exec {root}/opt/robot-node/.venv/bin/robot-node")


def files_of(root: Path) -> Sequence[Path]:
    """All that is there, without the copies that useradd keeps of what it changes."""
    return sorted(path for path in root.rglob("*") if not path.name.endswith("-"))


@pytest.mark.slow
async def test_the_wheel_in_a_bare_environment_runs_the_demo(stranger: Stranger, pi: Pi) -> None:
    async with stranger.starts(f"{pi.robot_node} demo --scene clock") as demo:
        await demo.says("Ctrl-C stops everything")
        tell_where_the_broker_is(stranger, demo.said)
        assert "demo-robot" in await stranger.types(f"{pi.robot_node} robots")
        said = await stranger.types(f'{pi.robot_node} call demo-robot change_emotion \'{{"emotion": "happy"}}\'')
        assert '"emotion": "happy"' in said
        page = re.search(r"in a browser: (http://\S+)", demo.said)
        assert page
        fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
        assert '<script type="module"' in await stranger.types(f"python3 -c '{fetch}' {page[1]}")
        await demo.interrupt()
        assert "Stopped: robot and broker." in demo.said


@pytest.mark.slow
async def test_every_command_of_get_started_does_what_it_says_and_uninstalling_leaves_nothing(
    stranger: Stranger, pi: Pi
) -> None:
    await walk(stranger, GET_STARTED, pi.root)
    assert files_of(pi.root) == pi.fresh
