"""A private mosquitto on loopback: for the demo, the tests and the benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from robot_node.core.child_environment import child_environment
from robot_node.errors import BrokerError

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0
# libwebsockets listens on an interface, not on an address: mosquitto 2.0.11 passes an address over, and so does
# `bind_interface`, and opens the port to the network. Only the interface's name as the address keeps it on loopback.
_SETTINGS = """\
# Written anew at each start.
{user}
per_listener_settings false
allow_anonymous {anonymous}
persistence false
set_tcp_nodelay true
max_keepalive 120
listener {port} 127.0.0.1
{websocket_listener}
{extra}
"""
_WEBSOCKET_LISTENER = """\
listener {port} lo
protocol websockets"""


def free_port(preferred: int = 0) -> int:
    """A free TCP port on loopback: ``preferred`` or the next free one after it; any one for 0."""
    for port in range(preferred, preferred + 200) if preferred else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise BrokerError(f"No TCP port from {preferred} to {preferred + 199} is free.", remedy="Stop what uses them.")


class PrivateBroker:
    """One mosquitto process with MQTT, and MQTT over WebSocket, on loopback only.

    Args:
        port: MQTT port; 0 picks a free one.
        websocket_port: WebSocket port; 0 picks a free one, None opens none.
        extra: Further lines for mosquitto's settings file.
        anonymous: Let clients in without a password.

    Raises:
        BrokerError: mosquitto is not installed, or did not start.
    """

    def __init__(
        self, port: int = 0, websocket_port: int | None = None, *, extra: str = "", anonymous: bool = True
    ) -> None:
        self._held: list[socket.socket] = []
        self.port = port or self._hold_port()
        self.websocket_port = self._hold_port() if websocket_port == 0 else websocket_port
        self._extra = extra
        self._anonymous = anonymous
        self._directory = tempfile.TemporaryDirectory(prefix="robot-node-broker-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, as ``--broker`` takes it."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def directory(self) -> Path:
        """Its private folder; gone after :meth:`close`."""
        return Path(self._directory.name)

    @property
    def log(self) -> str:
        """What mosquitto has said so far."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _hold_port(self) -> int:
        """A free port that nobody else is given, also while mosquitto doesn't run.

        Linux hands out no port to which a socket is bound, and yet lets mosquitto listen there: both say
        SO_REUSEADDR, and ours does not listen.
        """
        holder = socket.socket()
        self._held.append(holder)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])

    async def start(self) -> None:
        """Start it, and return when it accepts connections."""
        executable = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if executable is None:
            raise BrokerError("mosquitto is not installed.", remedy="Install it: sudo apt-get install mosquitto.")
        websocket = "" if self.websocket_port is None else _WEBSOCKET_LISTENER.format(port=self.websocket_port)
        settings = self.directory / "mosquitto.conf"
        settings.write_text(
            _SETTINGS.format(
                port=self.port,
                websocket_listener=websocket,
                extra=self._extra,
                anonymous=str(self._anonymous).lower(),
                # Started as root it would become another user, and the kernel then forgets the parent-death signal.
                user="user root" if os.geteuid() == 0 else "",
            )
        )
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  # starts in a millisecond; our own settings file
                [*_dying_with_us(), executable, "-v", "-c", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(),
                start_new_session=True,  # a Ctrl-C in the terminal is for us: we stop it, after the robot has left
            )
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                for port in (self.port, self.websocket_port):
                    await self._listening(port)
        except TimeoutError as error:
            await self.stop()
            raise BrokerError(f"mosquitto does not listen: {self.log.strip()[-400:]}") from error
        except BaseException:
            await self.stop()
            raise

    async def _listening(self, port: int | None) -> None:
        while port is not None:
            if self._process is None or self._process.poll() is not None:
                raise BrokerError(f"mosquitto ended at once: {self.log.strip()[-400:]}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                return
            await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to mosquitto, e.g. SIGSTOP to pause it or SIGKILL to kill it."""
        if self._process is not None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """Stop mosquitto; ports that it chose stay ours for another :meth:`start`."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, _STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def close(self) -> None:
        """Remove the private folder, and give up the ports."""
        self._directory.cleanup()
        for holder in self._held:
            holder.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self.close()


def _dying_with_us() -> list[str]:
    """What to put before a command so that it does not outlive us, even if we are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
