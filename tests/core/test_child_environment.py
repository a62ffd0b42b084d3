"""No program that a robot starts is given a password, or anything else that only the robot has to know."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import robot_node
from robot_node.core.child_environment import child_environment
from robot_node.devices.platform import raspberry_pi
from robot_node.errors import SettingsError
from robot_node.speech.espeak import EspeakEngine
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_process import running
from tests.end_to_end.robot_process import family

TELLTALE = "telltale-7f3c"
STARTERS = {"run", "Popen", "call", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell"}


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROBOT_NODE_BROKER__PASSWORD", "robot_node_webrtc__ice_servers", "CREDENTIALS_DIRECTORY"):
        monkeypatch.setenv(name, TELLTALE)


def test_what_is_not_ours_is_passed_on() -> None:
    given = {"PATH": "/usr/bin", "LANG": "C", "ROBOT_NODE_LOG__LEVEL": "debug", "NOTIFY_SOCKET": "/run/notify"}
    assert child_environment(given) == {"PATH": "/usr/bin", "LANG": "C"}


async def test_the_voice_is_told_no_password(tmp_path: Path) -> None:
    program = tmp_path / "speaks"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(SettingsError):
        await EspeakEngine(program=str(program)).synthesize("Hello", "en")
    assert "PATH=" in (tmp_path / "env").read_text()
    assert TELLTALE not in (tmp_path / "env").read_text()


async def test_the_ears_are_told_no_password() -> None:
    before = family(os.getpid())
    async with running("sphinx", RecognitionOptions()):
        (child,) = family(os.getpid()) - before
        told = given_to(child)
    assert "PATH=" in told
    assert TELLTALE not in told


def given_to(pid: int) -> str:
    """The environment with which a process was started."""
    return Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.parametrize("program", ["amixer", "vcgencmd"])
def test_the_systems_programs_are_told_no_password(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / program
    command.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if program == "amixer":
        raspberry_pi().amixer(("scontrols",))
    else:
        raspberry_pi().board_throttling()
    assert "PATH=" in (tmp_path / "env").read_text()
    assert TELLTALE not in (tmp_path / "env").read_text()


def starts(source: Path) -> Iterator[ast.Call]:
    """Where a module starts a program."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STARTERS:
            owner = ast.unparse(node.func.value)
            if owner == "subprocess" or node.func.attr.startswith("create_subprocess"):
                yield node


def test_there_is_no_other_place_that_starts_a_program_with_all_that_we_know() -> None:
    found = [(file, call) for file in Path(robot_node.__file__).parent.rglob("*.py") for call in starts(file)]
    assert len(found) >= 6
    careless = [(file, call.lineno) for file, call in found if "env=child_environment()" not in ast.unparse(call)]
    assert not careless
