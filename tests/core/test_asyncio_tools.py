"""A stop ends the process, whatever hangs in it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import DEADLINE_S

PROGRAM = """
import asyncio, ctypes, logging, os, signal, threading
from robot_node.core.asyncio_tools import end_process, run_until_signal

def kill_from_outside():
    os.posix_spawn("/bin/kill", ["kill", str(os.getpid())], os.environ)

async def goodbye_that_hangs():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(600)
    finally:
        await asyncio.Event().wait()

async def thread_that_hangs():
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(600)

async def loop_that_hangs():
    kill_from_outside()
    threading.Event().wait()

async def library_that_hangs():
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    kill_from_outside()
    library.pthread_mutex_lock(mutex)  # goes on to wait after a signal, and never comes back to Python

async def log_that_hangs():
    logging.basicConfig()
    logging.getLogger().handlers[0].acquire()
    kill_from_outside()
    threading.Event().wait()

async def orderly():
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        await asyncio.sleep(600)
    finally:
        print("goodbye")

asyncio.run(run_until_signal({work}(), stop_within_s={limit}))
end_process()
"""


@pytest.mark.parametrize(
    ("work", "limit", "status", "said"),
    [
        ("goodbye_that_hangs", 0.2, 1, "Shutdown did not finish within 0.2 s"),
        ("thread_that_hangs", 0.2, 0, ""),  # all else is in order
        ("loop_that_hangs", 0.2, 1, "Shutdown did not finish within 0.2 s; exiting. The main thread is in wait ("),
        ("library_that_hangs", 0.2, 1, "The main thread is in library_that_hangs (<string>:"),
        ("log_that_hangs", 0.2, 1, ""),
        ("orderly", 600.0, 0, "goodbye"),
    ],
)
def test_a_stop_ends_the_process(work: str, limit: float, status: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{work}", work).replace("{limit}", str(limit))],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
