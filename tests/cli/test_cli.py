"""The commands: what they say of themselves, and of what is wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.command import command


def test_help_lists_every_command_in_a_line_each() -> None:
    shown = command("--help").stdout
    for name in (
        "run",
        "demo",
        "robots",
        "tools",
        "events",
        "call",
        "watch",
        "confirm",
        "bridge",
        "face",
        "doctor",
        "setup",
        "version",
    ):
        (line,) = [line for line in shown.splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith("."), "the help of the command is cut off"


def test_the_version_is_an_option_too() -> None:
    installed = metadata.version("robot-node")
    assert command("--version").stdout == command("version").stdout == f"{installed}\n"


@pytest.mark.parametrize("name", ["run", "robots", "tools", "events", "call", "watch", "confirm", "bridge"])
def test_every_command_says_how_to_name_the_broker(name: str) -> None:
    shown = " ".join(command(name, "--help").stdout.split())
    assert "--broker URL mqtt[s]://user:password@host:port" in shown
    assert "ROBOT_NODE_BROKER__URL" in shown


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("call", "[ROBOT] [TOOL] [ARGUMENT]..."),
        ("tools", "ROBOT [TOOL]"),
        ("events", "ROBOT"),
        ("watch", "[ROBOT]"),
        ("confirm", "ROBOT"),
        ("robots", ""),
        ("run", ""),
    ],
)
def test_the_help_shows_how_a_command_is_written(name: str, usage: str) -> None:
    first_line = command(name, "--help").stdout.splitlines()[0]
    written = first_line.replace("{", "").replace("}", "")  # typer's way to say that it has to be there
    assert written.endswith(f" {name} [OPTIONS] {usage}".rstrip())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--scene", "clock"), "--scene is an option of the simulated camera. Add --simulated."),
        (("run", "--simulated", "--scene", "nowhere.mp4"), "nowhere.mp4"),
        (
            ("run", "--config", "nowhere.toml"),
            "nowhere.toml cannot be read: No such file or directory. 'robot-node setup' makes one;",
        ),
        (("run", "--config", "README.md"), "README.md is not valid TOML: "),
        (("run", "--config", "README.md"), ". config/robot-node.toml shows how each setting is written."),
        (("run", "--server-id", "a/b"), "command line: robot.server_id: must not contain '/'"),
        (
            ("run", "--server-id", "presence"),
            "command line: robot.server_id: must not be 'presence', which is a word of MCP over MQTT's topics: use",
        ),
        (("bridge", "--client-id", "capability"), "'capability' cannot be an MQTT client id or server id"),
        (("run", "--server-name", "kitchen"), "command line: robot.server_name: must have the form 'group/name'"),
        (("robots", "--broker", "http://host"), "command line: broker.url: The broker address has an unknown scheme"),
        (("call", "x", "y", "{"), "The tool's arguments are not valid JSON"),
        (("call", "x", "y", "{", "--json"), "or all in one as '{\"enabled\": true}', in quotes for the shell."),
        (("call", "x", "y", "[1]"), "The tool's arguments must be a JSON object. Write arguments as"),
        (("watch",), "No robot is named. Name one, or an endpoint: --whep URL."),
        (("watch", "x", "--token-file", "-"), "--token-file is an option of --whep. Add --whep URL."),
        (("watch", "x", "--whep", "http://h"), "ROBOT cannot be used with --whep."),
        (("watch", "--whep", "http://h", "--broker", "mqtt://h"), "--broker cannot be used with --whep."),
        (
            ("watch", "--whep", "ftp://h"),
            "'ftp://h' is no address of a WHEP endpoint. Give its http:// or https://",
        ),
        (("watch", "--whep", "http://u:p@h"), "must have no password in it. Give the token apart: --token-file FILE"),
        (("run", "--config", "no\nwhere\x1b[2J"), r"The settings file no\nwhere\x1b[2J cannot be read"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    failed = command(*arguments)
    assert failed.status == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("robot-node: ")
    assert failed.stderr.count("\n") == 1
    assert says in failed.stderr


def test_an_output_on_a_full_disk_is_one_clear_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "robot_node", "version"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.stderr.decode() == "robot-node: No space left on device. Free some space where the output is written.\n"
    assert done.returncode == 1


@pytest.mark.slow
def test_who_closes_the_standard_input_just_answers_nothing() -> None:
    command = ("-m", "robot_node", "call", "x", "y", "--broker", "mqtt://127.0.0.1:1")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, *command], capture_output=True, text=True, check=False
    )
    assert done.stderr.startswith("robot-node: Cannot reach the MQTT broker"), done.stderr
    assert done.returncode == 1


def test_an_unknown_setting_stops_the_robot_at_start(tmp_path: Path) -> None:
    file = tmp_path / "robot.toml"
    file.write_text('[camera]\nwitdh = 640\n[dialer]\n"a\\u001bb" = 1\n')
    failed = command("run", "--simulated", "--config", str(file))
    assert failed.status == 1
    assert failed.stderr.splitlines() == [
        "robot-node: Wrong settings:",
        f"settings file {file}: camera.witdh: there is no such setting; did you mean width?",
        f"settings file {file}: dialer.a\\x1bb: there is no such setting.",
        "config/robot-node.toml lists every setting with its range.",
    ]


def test_a_tool_that_no_device_offers_stops_the_robot_at_start(tmp_path: Path) -> None:
    file = tmp_path / "robot.toml"
    file.write_text('[access]\nconfirm_tools = ["get_temperature"]\n')
    failed = command("run", "--simulated", "--config", str(file))
    assert failed.status == 1
    (said,) = [line for line in failed.stderr.splitlines() if line.startswith("robot-node: ")]
    assert "access.confirm_tools: there is no tool 'get_temperature'; there are: control_camera" in said
