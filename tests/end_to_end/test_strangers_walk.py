"""A stranger, with a new folder and a clone, types every command of the README and of "Get started"; and the packages.

What is walked is what is committed. The tests share the clone: one file, so that one worker makes it once.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.stranger import Background, Stranger, commands_of
from tests.end_to_end.walk_steps import GET_STARTED, README, Step
from tests.setup.system_image import make_image

pytestmark = pytest.mark.timeout(900)  # packages are fetched, installed and built


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    newcomer = Stranger(tmp_path_factory.mktemp("stranger"))
    newcomer.get()
    return newcomer


@pytest.mark.parametrize(
    ("page", "steps"), [("README.md", README), ("docs/get-started.md", GET_STARTED)], ids=["README", "get-started"]
)
async def test_every_command_of_the_page_does_what_the_page_says(
    stranger: Stranger, tmp_path: Path, page: str, steps: Sequence[Step]
) -> None:
    image = make_image(tmp_path / "image")
    as_it_was = sorted(image.rglob("*"))
    assert commands_of((stranger.clone / page).read_text()) == [step.command for step in steps], (
        f"{page} has another command than walk_steps.py"
    )
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
    assert [path for path in sorted(image.rglob("*")) if not path.name.endswith("-")] == as_it_was


def tell_where_the_broker_is(stranger: Stranger, said: str) -> str:
    """The page's commands mean port 1883; while another demo has it, a person adds what the demo prints."""
    found = re.search(r"Broker: (mqtt://\S+),", said)
    assert found
    stranger.environment["ROBOT_NODE_BROKER__URL"] = found[1]
    return found[1]


@dataclass(frozen=True)
class Packages:
    """What can be installed."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def packages(stranger: Stranger) -> Packages:
    """Built as 'make dist' does, the wheel out of the sdist, with the tools of our own environment."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "packages"]
    done = subprocess.run(
        build, cwd=stranger.clone, env=stranger.environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = stranger.clone / "packages"
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Packages(wheel, sdist)


def test_a_wheel_and_an_sdist_carry_what_a_robot_needs_and_nothing_else(stranger: Stranger, packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel) as archive:
        carried = {name for name in archive.namelist() if ".dist-info/" not in name}
        unit = archive.read("robot_node/setup/carried/robot-node.service")
        settings = archive.read("robot_node/setup/carried/robot-node.toml")
    assert unit == (stranger.clone / "systemd/robot-node.service").read_bytes()
    assert settings == (stranger.clone / "config/robot-node.toml").read_bytes()
    assert {name.partition("/")[0] for name in carried} == {"robot_node", "hw_mocks"}
    assert {"robot_node/cli.py", "hw_mocks/platform.py", "robot_node/console/dist/index.html"} <= carried
    assert [name for name in carried if re.fullmatch(r"robot_node/console/dist/assets/index-.*\.js", name)]
    needless = re.compile(r"(^|/)(tests|node_modules|src|__pycache__)/|\.(ts|tsx|map)$|package.*\.json$")
    assert not [name for name in carried if needless.search(name)]

    with tarfile.open(packages.sdist) as unpacked:
        names = {name.partition("/")[2] for name in unpacked.getnames()}
    assert {"Makefile", "README.md", "config/robot-node.toml", "systemd/robot-node.service"} <= names
    assert "robot_node/console/dist/index.html" in names
    assert "tests/end_to_end/test_strangers_walk.py" in names
    assert not [name for name in names if re.search(r"(^|/)(node_modules|\.venv|\.git)/", name)]


async def test_the_wheel_in_a_bare_environment_runs_the_demo(
    stranger: Stranger, packages: Packages, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    await stranger.types(f"python3 -m venv {bare}")
    await stranger.types(f"{bare}/bin/pip install '{packages.wheel}[simulation]'")
    robot_node = f"cd {tmp_path} && exec {bare}/bin/robot-node"
    async with stranger.starts(f"{robot_node} demo --scene clock") as demo:
        await demo.says("Ctrl-C stops everything")
        tell_where_the_broker_is(stranger, demo.said)
        assert "demo-robot" in await stranger.types(f"{robot_node} robots")
        said = await stranger.types(f'{robot_node} call demo-robot change_emotion \'{{"emotion": "happy"}}\'')
        assert '"emotion": "happy"' in said
        page = re.search(r"in a browser: (http://\S+)", demo.said)
        assert page
        with urllib.request.urlopen(page[1], timeout=30) as answer:  # noqa: S310, ASYNC210  # the demo's own, on loopback
            assert b'<script type="module"' in answer.read()
        await demo.interrupt()
        assert "the broker is gone" in demo.said
