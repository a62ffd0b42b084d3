"""``robot-node doctor`` as a person runs it; and that it changes nothing."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from robot_node.apps.doctor.examination import examine
from robot_node.apps.doctor.findings import Finding, Level
from robot_node.apps.doctor.secrets import use_credentials
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from tests.apps.doctor.pi import Pi
from tests.command import command
from tests.end_to_end.robot_process import environment, robot_node
from tests.ports import free_port
from tests.waiting import DEADLINE_S, eventually

GUIDE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
LEVELS = {"ok", "note", "not ok", "n/a"}
EVERYTHING = tuple(map(Subscription, ("#", "$mcp-server/#", "$mcp-client/#", "$mcp-rpc/#", "$webrtc/#", "$message/#")))


def test_a_line_for_each_check_and_status_0_when_nothing_is_wrong(broker: PrivateBroker) -> None:
    console = {"ROBOT_NODE_CONSOLE__BROKER_URL": f"ws://127.0.0.1:{broker.websocket_port}/mqtt"}
    healthy = command("doctor", "--simulated", broker=broker, settings=console)
    assert (healthy.status, healthy.stderr) == (0, "")
    lines = healthy.stdout.splitlines()
    assert {line[:6].strip() for line in lines} <= LEVELS - {"not ok"}
    checks = [line[8:].partition(":")[0] for line in lines]
    assert checks[:3] == ["reachable", "MQTT 5", "credentials"]
    assert {"WebSocket", "display", "camera", "clock", "disk", "versions", "packages"} < set(checks)


def test_what_is_wrong_comes_with_status_1_for_people_and_programs() -> None:
    nobody = f"mqtt://127.0.0.1:{free_port()}"
    ill = command("doctor", "--broker", nobody)
    assert (ill.status, ill.stderr) == (1, "")
    assert ill.stdout.startswith(f"not ok  reachable: Cannot connect to {nobody}: Connection refused.")


@pytest.mark.slow
async def test_with_a_broker_alone_the_robots_settings_do_not_matter_and_a_program_can_read_it(tmp_path: Path) -> None:
    settings = tmp_path / "robot-node.toml"
    settings.write_text("[brokre]\n")
    command = (
        f"from robot_node import cli; cli.SETTINGS = {str(settings)!r}; from robot_node.__main__ import main; main()"
    )
    process = await asyncio.create_subprocess_exec(
        # With a password: the option has moved into the environment when it is read.
        *(sys.executable, "-c", command, "doctor", "--broker", f"mqtt://u:p@127.0.0.1:{free_port()}", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env=environment(None),
    )
    async with asyncio.timeout(DEADLINE_S):
        said, _ = await process.communicate()
    assert process.returncode == 1
    findings = json.loads(said)
    assert all(set(finding) == {"check", "ok", "level", "detail", "why", "remedy"} for finding in findings)
    assert {finding["level"] for finding in findings} <= LEVELS
    assert [finding["check"] for finding in findings if not finding["ok"]] == ["reachable"]


def test_wrong_settings_are_a_finding_too(tmp_path: Path) -> None:
    (tmp_path / "robot.toml").write_text("[camera]\nwidht = 640\n")
    found = command("doctor", "--config", str(tmp_path / "robot.toml"))
    assert (found.status, found.stderr) == (1, "")
    assert found.stdout.startswith("not ok  settings: Wrong settings: ")
    assert "camera.widht: there is no such setting" in found.stdout
    (tmp_path / "robot.toml").write_text("[camera]\nwidht = 640\nheigth = 480\n")
    found = command("doctor", "--config", str(tmp_path / "robot.toml"))
    assert [line.rpartition("robot.toml: ")[2].partition(":")[0] for line in found.stdout.splitlines()] == [
        "camera.widht",
        "camera.heigth",
    ]


def test_the_guide_shows_what_is_printed(broker: PrivateBroker, tmp_path: Path) -> None:
    settings, shown = (
        re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL) for name in ("settings", "output")
    )
    assert settings
    assert shown
    (tmp_path / "robot.toml").write_text(settings[1])
    console = {"ROBOT_NODE_CONSOLE__BROKER_URL": f"ws://127.0.0.1:{broker.websocket_port}/mqtt"}
    config = str(tmp_path / "robot.toml")
    printed = command("doctor", "--config", config, "--simulated", broker=broker, settings=console)
    assert [begin(line) for line in printed.stdout.splitlines()] == [begin(line) for line in shown[1].splitlines()[1:]]
    assert next(line for line in shown[1].splitlines() if "camera:" in line) in printed.stdout


def begin(line: str) -> str:
    """Level and check of a line; of what depends on the machine, only the check.

    A clock is not right everywhere, and on a busy machine a round trip takes longer, as it does without TCP_NODELAY.
    """
    level_and_check = line.partition(": ")[0]
    return next((name for name in ("clock", "TCP_NODELAY") if level_and_check.endswith(f" {name}")), level_and_check)


@pytest.mark.slow
async def test_the_robots_password_is_found_beside_its_settings(tmp_path: Path) -> None:
    (tmp_path / "passwords").touch(mode=0o600)
    add = ["mosquitto_passwd", "-b", str(tmp_path / "passwords"), "robot-kitchen", "secret"]
    subprocess.run(add, check=True)
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "broker-password").write_text("secret\n")
    file = tmp_path / "robot.toml"
    async with PrivateBroker(anonymous=False, extra=f"password_file {tmp_path / 'passwords'}") as broker:
        file.write_text(f'[broker]\nurl = "{broker.url}"\nusername = "robot-kitchen"\n')
        found = await robot_node("doctor", "--config", str(file))
    assert "ok      credentials: The broker accepts the connection as robot-kitchen." in found.stdout.splitlines()


def test_secrets_that_we_may_not_read_are_no_riddle(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    environment: dict[str, str] = {}
    kept = use_credentials(tmp_path / "robot.toml", environment, lambda _folder: False)
    assert kept is not None
    assert kept.level is Level.NOTE
    assert "sudo robot-node doctor" in kept.remedy
    assert not environment
    assert use_credentials(tmp_path / "elsewhere" / "robot.toml", environment) is None


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder below one: its mode, when it was changed, and what it holds."""
    return {
        str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


async def test_it_changes_nothing(broker: PrivateBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    pi = Pi.in_good_health(
        tmp_path / "root",
        broker={"url": broker.url},
        audio={"microphone": "default", "loudspeaker": "default"},
        privacy={"led_pin": 17, "switch_pin": 27},
        pins={"outputs": {"lamp": {"kind": "led", "pin": 22}}, "inputs": {"bell": {"kind": "button", "pin": 23}}},
    )
    hardware = pi.hardware
    pins = [hardware.gpio.pin(gpio) for gpio in range(28)]
    for pin in pins[::2]:
        pin.function, pin.state = "output", 1

    def now() -> object:
        return (
            [(pin.function, pin.pull, pin.state) for pin in pins],
            (hardware.sensor.starts, hardware.sensor.capturing, hardware.sensor.busy),
            (hardware.oled.picture().tobytes(), hardware.spi.bytes_on_wire, hardware.i2c.open_interfaces),
            (hardware.microphone.starts, hardware.loudspeaker.starts, hardware.loudspeaker.played),
            snapshot(tmp_path),
        )

    retained: list[Incoming] = []
    heard: list[Incoming] = []
    address = Broker.from_url(broker.url)
    presence = "$mcp-server/presence/robot/robot-node/kitchen"
    async with (
        connect(address, ConnectOptions("robot"), lambda _: None) as robot,
        connect(address, ConnectOptions("listener"), heard.append) as listener,
        connect(address, ConnectOptions("newcomer"), retained.append) as newcomer,
    ):
        for topic in (presence, "robot-node/robot/health"):
            await robot.publish(topic, b"as before", qos=1, retain=True)
        await listener.subscribe(*EVERYTHING)
        before = now()
        found: list[Finding] = []
        await examine(pi.settings, pi.platform, found.append, machine=pi.machine, has_robot=True)
        assert len(found) > 20
        assert now() == before
        await newcomer.subscribe(*EVERYTHING)
        await newcomer.publish("end", b"", qos=1)
        await eventually(lambda: any(message.topic == "end" for message in retained), "all retained messages are here")
        await eventually(lambda: any(message.topic == "end" for message in heard), "all messages are here")
    kept = {message.topic: message.payload for message in retained if message.retain}
    assert kept == {presence: b"as before", "robot-node/robot/health": b"as before"}
    # What others could hear concerned nobody: each topic has one of the doctor's own names in it.
    assert all("doctor-" in m.topic for m in heard if m.payload != b"as before" and m.topic != "end")
