"""``robot-node setup`` as a person runs it, on a system image in a folder: real files, modes, owners and users."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.apps.setup import survey
from robot_node.settings.loading import load_settings
from tests.apps.setup.system_image import make_image
from tests.certificates import run_recipe, tls_listener
from tests.command import command
from tests.end_to_end.robot_process import CommandResult, environment
from tests.ports import free_port
from tests.waiting import DEADLINE_S


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "image")


async def setup(*arguments: str, image: Path, stdin: str = "", env: dict[str, str] | None = None) -> CommandResult:
    """Run it; if it may ask, without a terminal of its own, so that a password is read from stdin too."""
    if "--non-interactive" in arguments:
        return command("setup", "--root", str(image), *arguments, settings=env)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_node", "setup", "--root", str(image), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(None, env),
        start_new_session=True,
    )
    async with asyncio.timeout(DEADLINE_S):
        stdout, stderr = await process.communicate(stdin.encode())
    return CommandResult(process.returncode or 0, stdout.decode(), stderr.decode())


def listing(root: Path) -> dict[str, tuple[int, str]]:
    """Every file with its mode and text; without the copies that useradd keeps of what it changes."""
    found = {}
    for path in sorted(root.rglob("*")):
        if not path.name.endswith("-"):
            text = path.read_text() if path.is_file() and not path.is_symlink() else ""
            found[str(path.relative_to(root))] = (path.lstat().st_mode, text)
    return found


def owner_of(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


def group_number(image: Path, name: str) -> int:
    (line,) = [line for line in (image / "etc/group").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split(":")[2])


async def test_what_it_writes_is_complete_and_nobody_reads_what_he_must_not(image: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    said = await setup(
        *("--non-interactive", "--name", "kitchen", "--broker", "mqtt://broker.local", "--username", "robot-kitchen"),
        *("--password-file", str(tmp_path / "password"), "--display", "sh1106", "--upside-down"),
        image=image,
    )
    assert said.status == 0, said.stderr
    ours = group_number(image, "robot-node")
    etc = image / "etc/robot-node"
    assert owner_of(etc) == (0o750, 0, ours)
    assert owner_of(etc / "robot-node.toml") == (0o640, 0, ours)
    assert owner_of(etc / "credentials") == (0o700, 0, 0)
    assert owner_of(etc / "credentials/broker-password") == (0o600, 0, 0)
    assert (etc / "credentials/broker-password").read_text() == "hunter2"
    assert not [path for path, (_, text) in listing(image).items() if "hunter2" in text and "credentials" not in path]
    assert "hunter2" not in said.stdout + said.stderr

    settings = load_settings(etc / "robot-node.toml")
    assert (settings.robot.server_id, settings.robot.server_name) == ("robot-kitchen", "robot-node/kitchen")
    assert (settings.broker.url, settings.broker.username) == ("mqtt://broker.local:1883", "robot-kitchen")
    assert (settings.display.driver, settings.camera.rotate) == ("sh1106", 180)
    assert (etc / "robot-node.toml").read_text().count("#") > 100, "the file keeps its comments"

    passwd = (image / "etc/passwd").read_text()
    assert f":{ours}::/var/lib/robot-node:/usr/sbin/nologin\n" in passwd
    groups = (image / "etc/group").read_text().splitlines()
    assert {line.split(":")[0] for line in groups if line.endswith(":robot-node")} == {
        *("video", "audio", "render", "i2c", "gpio")
    }
    units = image / "etc/systemd/system"
    assert owner_of(units / "robot-node.service") == (0o644, 0, 0)
    assert (units / "robot-node.service").read_text() == survey.read_template("robot-node.service")
    assert (units / "multi-user.target.wants/robot-node.service").is_symlink()
    assert (image / "usr/local/bin/robot-node").readlink() == Path(survey.PROGRAM)

    snippet = json.loads(said.stdout[said.stdout.index("\n{\n") :])
    agent = snippet["mcpServers"]["robots"]
    assert agent["env"]["ROBOT_NODE_BROKER__URL"] == "mqtt://broker.local:1883"
    assert agent["env"]["ROBOT_NODE_BROKER__USERNAME"] == agent["args"][-1] == "YOUR_AGENT", "not the robot's own"
    assert "Replace YOUR_AGENT with the agent's own account" in said.stdout


@pytest.mark.slow
async def test_run_again_it_keeps_what_was_changed_by_hand(image: Path) -> None:
    assert (await setup("--non-interactive", "--name", "kitchen", image=image)).status == 0
    file = image / "etc/robot-node/robot-node.toml"
    by_hand = file.read_text().replace("frame_rate = 30 ", "frame_rate = 15 # enough for a cat\n")
    file.write_text(by_hand)

    again = await setup("--non-interactive", image=image)
    assert "Nothing to do" in again.stdout
    assert file.read_text() == by_hand

    changed = await setup("--non-interactive", "--name", "hall", "--display", "none", image=image)
    assert '  robot.server_name: "robot-node/kitchen" -> "robot-node/hall"\n' in changed.stdout
    assert '  display.driver: "ssd1306" -> "none"\n' in changed.stdout
    assert "frame_rate = 15 # enough for a cat\n" in file.read_text()
    assert load_settings(file).robot.server_id == "robot-node-hall"


@pytest.mark.slow
async def test_a_password_in_a_file_of_the_persons_own_stays_there_until_another_is_given(
    image: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").write_text("hunter2\n")
    assert (await setup("--non-interactive", "--username", "anna", image=image)).status == 0
    file, stored = (image / "etc/robot-node" / name for name in ("robot-node.toml", "credentials/broker-password"))
    with_own = file.read_text().replace("[broker]\n", f'[broker]\npassword_file = "{tmp_path / "own"}"\n')
    file.write_text(with_own)

    assert "Nothing to do" in (await setup("--non-interactive", image=image)).stdout
    assert (file.read_text(), stored.exists()) == (with_own, False)

    env = {"ROBOT_NODE_BROKER__PASSWORD": "hunter3"}
    await setup("--non-interactive", image=image, env=env)
    assert "\npassword_file" not in file.read_text()
    assert stored.read_text() == "hunter3"


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(image: Path) -> None:
    before = listing(image)
    said = await setup("--non-interactive", "--dry-run", image=image)
    assert said.status == 0
    for words in (
        "create the system user robot-node in video, render, i2c, gpio, audio",
        "write /etc/robot-node/robot-node.toml (root:robot-node 0640)",
        "systemctl enable robot-node.service",
    ):
        assert f"  {words}\n" in said.stdout
    assert listing(image) == before


async def test_it_asks_few_questions_and_asks_again_what_cannot_be_used(image: Path) -> None:
    answers = ("a/b", "kitchen", "http://x", "mqtt://b", "anna", "hunter2", "lcd", "sh1106", "spi", "x", "1", "y", "y")
    said = await setup(image=image, stdin="\n".join(answers) + "\n")
    assert said.status == 0, said.stderr
    assert "'a/b' is not a valid robot name." in said.stdout + said.stderr
    assert "unknown scheme 'http'" in said.stdout + said.stderr
    assert "'x' is no camera." in said.stdout + said.stderr
    assert "'lcd' is not one of ssd1306, sh1106, none." in said.stdout + said.stderr
    settings = load_settings(image / "etc/robot-node/robot-node.toml")
    assert settings.robot.server_name == "robot-node/kitchen"
    assert (settings.display.driver, settings.display.interface) == ("sh1106", "spi")
    assert (settings.camera.number, settings.camera.rotate) == (1, 180)
    assert (image / "etc/robot-node/credentials/broker-password").read_text() == "hunter2"

    before = listing(image)
    again = await setup(image=image, stdin="\n" * 10)
    assert "Nothing to do" in again.stdout
    assert listing(image) == before, "Enter keeps every answer, the password too"


async def test_the_environment_answers_too_and_who_says_no_is_left_alone(image: Path) -> None:
    before = listing(image)
    env = {"ROBOT_NODE_BROKER__URL": "mqtts://cloud", "ROBOT_NODE_BROKER__PASSWORD": "hunter2"}
    env["ROBOT_NODE_BROKER__CA_FILE"] = "/nowhere/ca.crt"
    said = await setup(image=image, stdin="kitchen\n\nanna\n\nnone\n0\nn\nn\n", env=env)
    (warning,) = [line for line in said.stderr.splitlines() if line.startswith("Warning: ROBOT_NODE_")]
    assert warning.startswith("Warning: ROBOT_NODE_BROKER__CA_FILE applies to this command only.")
    assert said.status == 1
    assert "[mqtts://cloud:8883]" in said.stdout
    assert listing(image) == before


async def test_uninstalling_leaves_nothing(image: Path) -> None:
    before = listing(image)
    env = {"ROBOT_NODE_BROKER__PASSWORD": "hunter2", "ROBOT_NODE_BROKER__USERNAME": "anna"}
    assert (await setup("--non-interactive", image=image, env=env)).status == 0
    (image / "var/lib/robot-node").mkdir()
    (image / "var/lib/robot-node/state.json").write_text("{}")
    installed = listing(image)

    refused = await setup("--uninstall", image=image, stdin="\n")
    assert refused.status == 1
    assert "remove /etc/robot-node\n" in refused.stdout
    assert listing(image) == installed, "it asks first, and Enter means no"

    # What was written in another encoding can be removed too.
    (image / "etc/robot-node/robot-node.toml").write_bytes("# Küche".encode("latin-1"))
    assert (await setup("--uninstall", "--yes", image=image)).status == 0
    assert listing(image) == before
    assert "Nothing is installed." in (await setup("--uninstall", image=image)).stdout


async def test_settings_that_are_wrong_are_refused_before_anything_is_done(image: Path, tmp_path: Path) -> None:
    before = listing(image)
    (tmp_path / "latin").write_bytes("hünter".encode("latin-1"))
    for arguments, says in (
        (("--display", "lcd"), "command line: display.driver:"),
        (("--broker", "http://x"), "unknown scheme 'http'"),
        (("--name", "a/b"), "is not a valid robot name"),
        (("--password-file", str(tmp_path / "latin")), "latin cannot be read: it is not UTF-8"),
        (("--password-file", "nowhere"), "The password file nowhere cannot be read: No such file"),
        (("--agent", "emacs"), "Unknown desktop agent 'emacs'. Known: claude-desktop"),
    ):
        refused = await setup("--non-interactive", *arguments, image=image)
        assert refused.status == 1
        assert says in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert listing(image) == before


A_USER = "import os; os.geteuid = lambda: 1000"
WITHOUT_SYSTEMD = "from robot_node.apps.setup import survey; survey.runs_systemd = lambda: False"
WITH_SYSTEMD = "from robot_node.apps.setup import survey; survey.runs_systemd = lambda: True"


async def setup_where(machine: str, *arguments: str) -> CommandResult:
    """Run it on a machine that is, in one respect, another one than ours."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{machine}; from robot_node.cli.main import main; main()", "setup", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(None),
    )
    async with asyncio.timeout(DEADLINE_S):
        stdout, stderr = await process.communicate()
    return CommandResult(process.returncode or 0, stdout.decode(), stderr.decode())


@pytest.mark.slow
async def test_who_is_not_root_is_told_so_before_a_question_is_asked(image: Path) -> None:
    refused = await setup_where(A_USER, "--root", str(image))
    assert refused.status == 1
    assert "requires root. Run sudo /" in refused.stderr
    assert refused.stdout == ""


async def test_where_nobody_answers_it_says_how_to_do_without(image: Path) -> None:
    before = listing(image)
    said = await setup(image=image, stdin="kitchen\n")
    assert said.status == 1
    assert "The questions cannot be asked: stdin is not a terminal. Use --non-interactive" in said.stderr
    assert listing(image) == before


@pytest.mark.slow
async def test_a_machine_without_systemd_is_refused() -> None:
    refused = await setup_where(WITHOUT_SYSTEMD)
    assert refused.status == 1
    assert "requires systemd" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.slow
async def test_a_broker_that_is_away_is_a_warning_and_one_that_is_there_is_none(tmp_path: Path) -> None:
    """Only shown, nothing done: on the machine that runs the tests. Its broker wants a certificate (docs/tls.md)."""
    run_recipe("authority", tmp_path)
    run_recipe("broker", tmp_path, BROKER="localhost")
    run_recipe("client", tmp_path, NAME="robot")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "robot.key").rename(tmp_path / "credentials/client-key")
    settings = tmp_path / "robot-node.toml"
    settings.write_text(f'[broker]\nca_file = "{tmp_path}/ca.crt"\ncert_file = "{tmp_path}/robot.crt"\n')
    machine = f"{WITH_SYSTEMD}; survey.SETTINGS, survey.CREDENTIALS = {str(settings)!r}, '{tmp_path}/credentials'"
    port = free_port()
    async with PrivateBroker(extra=tls_listener(tmp_path, port)) as broker:
        asked = ("--non-interactive", "--dry-run", "--broker", f"mqtts://localhost:{port}")
        there = await setup_where(machine, *asked)
        await broker.stop()
        away = await setup_where(machine, *asked)
    assert "Warning" not in there.stderr
    assert "Warning: Cannot reach the MQTT broker" in away.stderr
    assert "The robot will keep trying." in away.stderr
