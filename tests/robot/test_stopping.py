"""SIGTERM and SIGINT to the process of a robot: at any moment of its start, and while its loop hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.robot_process import environment
from tests.robot.test_plugins import install
from tests.waiting import DEADLINE_S

_HANGS = """
import ctypes

class Pump:
    def __init__(self, context):
        pass

    async def open(self):
        library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
        library.pthread_mutex_lock(mutex)
        print("the loop hangs", flush=True)
        library.pthread_mutex_lock(mutex)

    async def close(self):
        pass

    def offer(self, server):
        pass
"""


@contextmanager
def robot_process(broker: PrivateBroker | None, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """``robot-node run --simulated``, with stdout and stderr in one pipe."""
    where = {} if broker else {"ROBOT_NODE_BROKER__URL": "mqtt://127.0.0.1:1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "robot_node", "run", "--simulated", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(broker, {**where, **extra}),
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _caught(pid: int) -> set[int]:
    """The signals for which a process has handlers."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def _wait_for_main(pid: int) -> None:
    """Return when our code runs: before that, Python's own start prints a traceback of a SIGINT."""
    deadline = time.monotonic() + DEADLINE_S
    started = False
    while time.monotonic() < deadline:
        caught = _caught(pid)
        if signal.SIGTERM in caught or (started and signal.SIGINT not in caught):
            return
        started = started or signal.SIGINT in caught
        time.sleep(0.001)
    raise AssertionError("our code does not run")


def _stop(process: subprocess.Popen[str], number: signal.Signals, delay_s: float) -> None:
    _wait_for_main(process.pid)
    time.sleep(delay_s)
    process.send_signal(number)
    said = process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode in {0, -number}, said
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_imports_ends_the_process_without_a_traceback(number: signal.Signals) -> None:
    with robot_process(None) as process:
        _stop(process, number, 0.05)


@pytest.mark.slow  # ten starts of a robot
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("has_broker", [True, False])
def test_a_signal_at_any_moment_of_the_start_ends_the_process_without_a_traceback(
    number: signal.Signals, *, has_broker: bool, broker: PrivateBroker
) -> None:
    for delay_s in (0.0, 0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.5):
        with robot_process(broker if has_broker else None) as process:
            _stop(process, number, delay_s)


@pytest.mark.slow  # a robot has 4.5 s to stop
def test_a_robot_whose_loop_hangs_ends_in_time_and_says_where_it_hung(tmp_path: Path) -> None:
    install(tmp_path, _HANGS, {"pump": "robot_node_pump:Pump"}, module="robot_node_pump")
    settings = tmp_path / "robot.toml"
    settings.write_text("[devices.pump]\n")
    with robot_process(None, "--config", str(settings), PYTHONPATH=str(tmp_path)) as process:
        assert process.stdout is not None
        assert any("the loop hangs" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode == 1
    assert "Shutdown did not finish within 4.5 s; exiting. The main thread is in open (robot_node_pump.py:" in said
