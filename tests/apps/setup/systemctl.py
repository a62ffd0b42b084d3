"""A stand-in for systemctl with one unit of ``Type=notify``: ``systemctl.py FOLDER PROGRAM is-active|start|stop UNIT``.

As systemd does for a unit with ``Restart=always``, ``start`` returns when the program is ready, or has ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Do what the arguments say; return the exit status."""
    folder, program, verb = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    process = folder / "pid"
    match verb:
        case "is-active":
            print("active" if process.exists() else "inactive")
        case "start":
            return start(folder, program, process)
        case "stop" if process.exists():
            stop(int(process.read_text()))
            process.unlink()
    return 0


def start(folder: Path, program: str, process: Path) -> int:
    """Start the program, and wait until it is ready."""
    address = folder / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, (folder / "log").open("a") as log:
        notify.bind(str(address))
        notify.settimeout(0.1)
        robot = subprocess.Popen(
            [program, "run", "--simulated", "--config", folder / "robot-node.toml"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
            start_new_session=True,
        )
        while robot.poll() is None:
            try:
                if b"READY=1" in notify.recv(4096):
                    process.write_text(str(robot.pid))
                    return 0
            except TimeoutError:
                continue
    print("Job for robot-node.service failed.", file=sys.stderr)
    return 1


def stop(pid: int) -> None:
    """End a process, and wait until it has ended."""
    handle = os.pidfd_open(pid)  # it is no child of ours
    signal.pidfd_send_signal(handle, signal.SIGTERM)
    select.select([handle], [], [], 60)
    os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
