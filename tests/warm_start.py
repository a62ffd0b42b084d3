"""``robot-node`` without the first second of its life: forked from a process that has imported what each imports.

These imports are two thirds of the processor time of a robot that lives for some seconds. Robots whose start is the
subject of a test, or whose environment is for the interpreter or the loader, are started as everywhere else.

``python -m tests.warm_start PATH`` is that process: it listens on a Unix socket until its stdin ends.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tests.waiting import DEADLINE_S

_FOR_THE_INTERPRETER = ("PYTHON", "LD_")
_REQUEST_BYTES = 1 << 17
_POLL_S = 0.01


class WarmProcess:
    """A process as :class:`asyncio.subprocess.Process` shows it, without its streams."""

    def __init__(self, connection: socket.socket) -> None:
        self.pid = int(connection.recv(_REQUEST_BYTES))
        connection.setblocking(False)
        self._connection = connection
        self._status: int | None = None

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative if a signal ended it; None while it runs."""
        if self._status is None:
            try:
                told = self._connection.recv(_REQUEST_BYTES)
            except BlockingIOError:
                return None
            self._connection.close()
            self._status = int(told)
        return self._status

    async def wait(self) -> int:
        """Wait for its end; returns its exit status."""
        while (status := self.returncode) is None:
            await asyncio.sleep(_POLL_S)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def can_start(environment: dict[str, str]) -> bool:
    """Whether an environment asks of the interpreter and the loader only what ours does."""
    names = environment.keys() | os.environ.keys()
    return all(environment.get(name) == os.environ.get(name) for name in names if name.startswith(_FOR_THE_INTERPRETER))


def start(
    arguments: Sequence[str], environment: dict[str, str], *outputs: int, stdin: int | None = None
) -> WarmProcess:
    """Start ``robot-node ARGUMENTS``.

    Args:
        arguments: Its arguments.
        environment: Its environment.
        outputs: The file descriptors of its stdout and stderr.
        stdin: That of its stdin; without one, that is empty.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(DEADLINE_S)
    connection.connect(_server())
    request = json.dumps([list(arguments), environment]).encode()
    with Path(os.devnull).open("rb") as nothing:
        socket.send_fds(connection, [request], [nothing.fileno() if stdin is None else stdin, *outputs])
    return WarmProcess(connection)


@functools.cache
def _server() -> str:
    """Start the process that robots are forked from; returns where it listens."""
    folder = tempfile.TemporaryDirectory(prefix="warm-start-")
    address = str(Path(folder.name) / "socket")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm_start", address],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def end() -> None:
        with process, folder:  # closes its stdin, and waits
            pass

    atexit.register(end)
    assert process.stdout.readline(), "the process that robots are forked from did not start"
    return address


class _Server:
    """Forks robots, and tells how they end.

    Args:
        address: Where to listen.
    """

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(address)
        self._listener.listen()
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: dict[int, socket.socket] = {}
        """By process."""

    def serve(self) -> None:
        """Serve until stdin ends; no process outlives that."""
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is sys.stdin:
                        return
                    if key.fileobj is self._listener:
                        self._fork()
                    else:
                        self._look_at(*key.data)
        finally:
            for pid in self._connections:
                os.kill(pid, signal.SIGKILL)

    def _fork(self) -> None:
        connection, _ = self._listener.accept()
        request, files, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 3)
        if (pid := os.fork()) == 0:
            self._close()
            connection.close()
            arguments, environment = json.loads(request)
            _become(arguments, environment, files)
        for file in files:
            os.close(file)
        ended = os.pidfd_open(pid)
        self._connections[pid] = connection
        self._selector.register(ended, selectors.EVENT_READ, (pid, ended))
        connection.send(str(pid).encode())

    def _look_at(self, pid: int, ended: int) -> None:
        self._selector.unregister(ended)
        os.close(ended)
        _, status = os.waitpid(pid, 0)
        with self._connections.pop(pid) as connection:
            connection.send(str(os.waitstatus_to_exitcode(status)).encode(), socket.MSG_NOSIGNAL)

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, int):
                os.close(key.fileobj)
        self._selector.close()
        self._listener.close()
        for connection in self._connections.values():
            connection.close()


def _become(arguments: list[str], environment: dict[str, str], files: list[int]) -> NoReturn:
    from robot_node.cli.main import main  # loaded before the fork

    status = 1
    try:
        for descriptor, file in enumerate(files):
            os.dup2(file, descriptor)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["robot-node", *arguments]
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
    else:
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Import, and serve."""
    gc.disable()
    for module in ("robot_node.cli.main", "robot_node.daemon"):
        importlib.import_module(module)
    gc.freeze()
    gc.enable()
    # Threads would be missing in those that are forked. luma.core begins these when it is imported; no robot uses them.
    _, *others = threading.enumerate()
    assert {type(thread).__module__ for thread in others} <= {"luma.core.threadpool"}, others
    server = _Server(sys.argv[1])
    print("ready", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
