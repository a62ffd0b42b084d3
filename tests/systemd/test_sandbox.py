"""What the shipped unit lets the robot do, and what not: a probe in the robot's place says what it could reach."""

from __future__ import annotations

import json
from errno import EACCES, EAFNOSUPPORT, EPERM, EROFS

from tests.systemd.machine import Machine, Service

# As drivers register them (register_chrdev and alloc_chrdev_region in Linux); the last three are not for the robot.
DEVICES = {
    "video0": ("video4linux", 81),
    "media0": ("media", 401),
    "dma_heap": ("dma_heap", 402),
    "i2c-1": ("i2c", 89),
    "spidev0.0": ("spi", 153),
    "gpiochip0": ("gpiochip", 403),
    "gpiomem": ("gpiomem-bcm2835", 404),
    "snd": ("alsa", 116),
    "vcio": ("vcio", 405),
    "vcio_gencmd": ("vcio_gencmd", 406),
    "event0": ("input", 13),
    "fb0": ("fb", 29),
    "ttyAMA0": ("ttyAMA", 204),
}
NOT_FOR_ROBOTS = {"event0", "fb0", "ttyAMA0"}

PROBE = r"""
import json, os, pathlib, socket, sys
def error(action, *arguments):
    try:
        action(*arguments)
    except OSError as refusal:
        return refusal.errno
    return 0
def write(path):
    pathlib.Path(path, "probe").write_text("x")
print(json.dumps({
    "devices": {name: error(os.open, f"/dev/{name}", os.O_RDWR) for name in sys.argv[1:]},
    "system": error(write, "/usr"),
    "settings": error(write, "/etc/robot-node"),
    "kernel": error(write, "/sys/kernel"),
    "homes": error(os.listdir, "/root"),
    "state": error(write, "."),
    "others": len([name for name in os.listdir("/proc") if name.isdigit()]) - 1,
    "packets": error(socket.socket, socket.AF_PACKET, socket.SOCK_RAW),
    "urgency": [error(os.nice, 5), error(os.nice, -1)],
    "board": error(pathlib.Path("/proc/cpuinfo").read_text),
    "credential": error(pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"], "broker-password").read_text),
    "capabilities": int(next(x for x in open("/proc/self/status") if x.startswith("CapBnd")).split()[1], 16),
}))
"""
AS_A_PROBE = """
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart=/opt/python/bin/python3 {probe} {arguments}
"""


def test_the_robot_reaches_its_devices_and_its_own_folder_and_nothing_else(machine: Machine) -> None:
    # Where the kernel has no such driver, a device that may be opened says that there is none.
    known = "".join(f"{major} {group}\n" for group, major in DEVICES.values())
    (machine.root / "run/devices").write_text(f"Character devices:\n{known}\nBlock devices:\n")
    machine.run("mount", "--bind", "/run/devices", "/proc/devices")
    for name, (_group, major) in DEVICES.items():
        machine.run("mknod", "--mode=666", f"/dev/{name}", "c", str(major), "0")
    (machine.root / "opt/probe.py").write_text(PROBE)

    service = Service(
        machine, "probe", "", further=AS_A_PROBE.format(probe="/opt/probe.py", arguments=" ".join(DEVICES))
    )
    service.systemctl("start")
    found = json.loads(next(line for line in service.log.splitlines() if line.startswith("{")))

    refused = {name for name, error in found.pop("devices").items() if error == EPERM}
    assert refused == NOT_FOR_ROBOTS
    assert found == {
        "system": EROFS,
        "settings": EROFS,
        "kernel": EROFS,
        "homes": EACCES,
        "state": 0,
        "others": 0,
        "packets": EAFNOSUPPORT,
        "urgency": [0, EPERM],
        "board": 0,
        "credential": 0,
        "capabilities": 0,
    }
