"""What each command of the README and of "Get started" does, as far as a machine without a Pi can show it.

A command that stands on a page and not here, or here and not there, fails the walk.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """A command, and what it must do.

    Attributes:
        command: As the page has it.
        says: A regular expression for what it prints.
        leaves: Files of the clone that are there afterwards, and the bytes that stand somewhere in their beginning.
        goes_on: It runs until Ctrl-C at the end of the page.
        instead: What is run in its stead; ``{root}`` is the folder of a system image, ``{broker}`` the demo's broker.
        service: What is started afterwards, in place of what systemd would start.
        not_run: It is not run at all.
        why: Why ``instead`` or ``not_run``.
    """

    command: str
    says: str = ""
    leaves: dict[str, bytes] = field(default_factory=dict)
    goes_on: bool = False
    instead: str = ""
    service: str = ""
    not_run: bool = False
    why: str = ""


_DEMO = Step("make demo", says=r"(?s)A robot is online: demo-robot.*Ctrl-C stops everything", goes_on=True)
_ROBOTS = Step(".venv/bin/robot-node robots", says=r"demo-robot +demo/robot")
_CAMERA = Step(
    ".venv/bin/robot-node call demo-robot control_camera '{\"enabled\": true}'",
    says='"camera": "on"',
)
_PHOTO = Step(
    ".venv/bin/robot-node call demo-robot take_photo --output photo.jpg",
    says="photo.jpg",
    leaves={"photo.jpg": b"\xff\xd8\xff"},
)
_ON_A_PI = (
    "sudo apt update && sudo apt install -y python3-venv python3-picamera2 python3-lgpio mosquitto",
    "sudo python3 -m venv --system-site-packages /opt/robot-node/.venv",
    "sudo /opt/robot-node/.venv/bin/pip install -c constraints.txt robot_node-*.whl",
    "sudo /opt/robot-node/.venv/bin/robot-node setup",
)
_OF_THE_IMAGE = "{root}/opt/robot-node/.venv/bin/robot-node"
_IMAGE = "this machine's own system stays as it is: a system image in a folder stands for the Pi"

ENVIRONMENT_OF_THE_PI = "sudo python3 -m venv --without-pip {root}/opt/robot-node/.venv"
"""A bare one: what the wheel needs comes with it, and pip, which takes its time, from elsewhere."""
INSTALLED_ON_THE_PI = "sudo {python} -m pip --python {root}/opt/robot-node/.venv install '{wheel}[simulation]'"
"""For a robot on simulated hardware."""

README = (
    _DEMO,
    _ROBOTS,
    _CAMERA,
    Step(
        '.venv/bin/robot-node call demo-robot change_emotion \'{"emotion": "happy"}\'',
        says='"emotion": "happy"',
    ),
    _PHOTO,
    Step(
        ".venv/bin/robot-node watch demo-robot --frames 150 --output video.mp4",
        says="150 frames of 1280x720",
        leaves={"video.mp4": b"ftyp"},
    ),
    Step(".venv/bin/robot-node face laugh", says="[⠁-⣿]"),
    Step("make test", not_run=True, why="the walk is a part of it"),
    *(Step(command, not_run=True, why='it stands on "Get started" too, and is walked there') for command in _ON_A_PI),
    Step(".venv/bin/robot-node bridge --print-config claude-desktop", says=r'"mcpServers"(?s:.*)"bridge"'),
)

GET_STARTED = (
    _DEMO,
    _ROBOTS,
    _CAMERA,
    _PHOTO,
    Step(
        '.venv/bin/robot-node call demo-robot change_emotion \'{"emotion": "surprised"}\'',
        says='"emotion": "surprised"',
    ),
    Step(".venv/bin/robot-node bridge --print-config claude-code", says=r'"mcpServers"(?s:.*)"bridge"'),
    Step(_ON_A_PI[0], not_run=True, why="python3-picamera2 is in the archive of Raspberry Pi OS only"),
    Step(_ON_A_PI[1], not_run=True, why="ENVIRONMENT_OF_THE_PI was run: the system's packages here are not a Pi's"),
    Step(_ON_A_PI[2], not_run=True, why="INSTALLED_ON_THE_PI was run: the wheel that pip would build from this folder"),
    Step(
        _ON_A_PI[3],
        instead=f"sudo {_OF_THE_IMAGE} setup --non-interactive --name kitchen --broker {{broker}} --root {{root}}",
        why=f"{_IMAGE}; nobody is there to answer, and no systemd to start the service",
        says=r"robot-node-kitchen \(robot-node/kitchen\) is installed(?s:.*)mcpServers",
        service=f"{_OF_THE_IMAGE} run --simulated --config {{root}}/etc/robot-node/robot-node.toml",
    ),
    Step("robot-node robots", instead=f"{_OF_THE_IMAGE} robots", why=_IMAGE, says="robot-node-kitchen"),
    Step(
        "robot-node call robot-node-kitchen get_status",
        instead=f"{_OF_THE_IMAGE} call robot-node-kitchen get_status",
        why=_IMAGE,
        says='"camera": "off"',
    ),
    Step(
        "sudo robot-node setup --uninstall",
        instead=f"sudo {_OF_THE_IMAGE} setup --uninstall --yes --root {{root}}",
        why=f"{_IMAGE}; nobody is there to say yes",
        says="robot-node is uninstalled",
    ),
)
