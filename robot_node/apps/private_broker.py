"""A mosquitto process on loopback, for the demo, the tests and the benchmarks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

from robot_node.core.child_environment import child_environment
from robot_node.core.parent_death import end_with_parent
from robot_node.core.temporary_folder import TemporaryFolder
from robot_node.errors import BrokerError

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0
# mosquitto 2.0.11 ignores an address for a WebSocket listener, and `bind_interface` too: libwebsockets binds to an
# interface, so that the port would be open to the network. The interface's name instead of the address works.
_SETTINGS = """\
# Rewritten at each start.
{user}
per_listener_settings {per_listener}
persistence false
set_tcp_nodelay true
max_keepalive 120
{before_listener}
listener {port} 127.0.0.1
{in_listener}
{websocket_listener}
{extra}
"""
_WEBSOCKET_LISTENER = """\
listener {port} lo
protocol websockets
{access}"""
WEBSOCKET_USER = "console"
"""The user name that goes with a password for WebSocket."""


def free_port(preferred: int = 0) -> int:
    """Return a free TCP port on loopback: ``preferred`` or the next free one; any free port for 0."""
    for port in range(preferred, preferred + 200) if preferred else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise BrokerError(
        f"No TCP port from {preferred} to {preferred + 199} is free.", remedy="Stop the programs that use them."
    )


async def is_listening(port: int) -> bool:
    """Return whether something accepts connections at a TCP port of loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


class PrivateBroker:
    """One mosquitto process with MQTT and MQTT over WebSocket, on loopback only.

    Args:
        port: MQTT port; 0 picks a free one.
        websocket_port: WebSocket port; 0 picks a free one, None disables WebSocket.
        extra: Further lines for mosquitto's settings file.
        anonymous: Whether clients may connect without a password.
        websocket_password: What clients over WebSocket need, as :data:`WEBSOCKET_USER`; empty: as ``anonymous`` says.
            Without one every web page in a browser on this machine can connect: mosquitto 2.0 does not look at Origin.

    Raises:
        BrokerError: mosquitto is not installed or did not start.
    """

    def __init__(
        self,
        port: int = 0,
        websocket_port: int | None = None,
        *,
        extra: str = "",
        anonymous: bool = True,
        websocket_password: str = "",
    ) -> None:
        self._reserved: list[socket.socket] = []
        self.port = port or self._reserve_port()
        self.websocket_port = self._reserve_port() if websocket_port == 0 else websocket_port
        self._extra = extra
        self._anonymous = anonymous
        self._websocket_password = websocket_password
        self._directory = TemporaryFolder("robot-node-broker-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL, for ``--broker``."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def directory(self) -> Path:
        """Its temporary folder, removed by :meth:`close`."""
        return self._directory.path

    @property
    def log(self) -> str:
        """The log of mosquitto so far."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _reserve_port(self) -> int:
        """Reserve a free port, also for the time in which mosquitto does not run.

        Linux assigns no port to which a socket is bound, and still lets mosquitto listen on it: both set SO_REUSEADDR,
        and this socket does not listen.
        """
        reserved = socket.socket()
        self._reserved.append(reserved)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])

    async def start(self) -> None:
        """Start it, and wait until it accepts connections.

        Raises:
            BrokerError: mosquitto is not installed or did not start.
        """
        executable = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if executable is None:
            raise BrokerError("mosquitto is not installed.", remedy="Install it: sudo apt-get install mosquitto.")
        settings = self.directory / "mosquitto.conf"
        settings.write_text(self._settings())
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  # takes a millisecond
                [*end_with_parent(), executable, "-v", "-c", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(),
                start_new_session=True,  # a Ctrl-C in the terminal must not end it before the robot
            )
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                for port in (self.port, self.websocket_port):
                    await self._wait_until_listening(port)
        except TimeoutError as error:
            await self.stop()
            raise BrokerError(f"mosquitto does not listen: {self.log.strip()[-400:]}") from error
        except BaseException:
            await self.stop()
            raise

    def _settings(self) -> str:
        access, websocket_access = f"allow_anonymous {str(self._anonymous).lower()}", ""
        if self._websocket_password:
            passwords = self.directory / "websocket.passwords"
            passwords.touch(mode=0o600)
            passwords.write_text(f"{WEBSOCKET_USER}:{_hashed(self._websocket_password)}\n")
            websocket_access = f"allow_anonymous false\npassword_file {passwords}"
        websocket = ""
        if self.websocket_port is not None:
            websocket = _WEBSOCKET_LISTENER.format(port=self.websocket_port, access=websocket_access)
        return _SETTINGS.format(
            port=self.port,
            per_listener=str(bool(websocket_access)).lower(),
            before_listener="" if websocket_access else access,
            in_listener=access if websocket_access else "",
            websocket_listener=websocket,
            extra=self._extra,
            # Started as root it would change its user, which clears the parent-death signal.
            user="user root" if os.geteuid() == 0 else "",
        )

    async def _wait_until_listening(self, port: int | None) -> None:
        while port is not None:
            if self._process is None or self._process.poll() is not None:
                raise BrokerError(f"mosquitto exited at once: {self.log.strip()[-400:]}")
            if await is_listening(port):
                return
            await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to mosquitto, e.g. SIGSTOP to pause it or SIGKILL to kill it."""
        if self._process is not None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """Stop mosquitto; its ports stay reserved for another :meth:`start`."""
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
        """Remove the temporary folder and release the ports."""
        self._directory.close()
        for reserved in self._reserved:
            reserved.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self.close()


def _hashed(password: str) -> str:
    """A password as mosquitto_passwd writes it: PBKDF2 with SHA-512. Few rounds, since nobody guesses a random one."""
    salt, rounds = secrets.token_bytes(12), 101
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
