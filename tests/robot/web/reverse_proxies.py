"""Real nginx and Caddy before a robot's HTTP server, configured as docs/remote.md shows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from robot_node.apps.private_broker import is_listening
from tests.guide import blocks
from tests.ports import free_port
from tests.waiting import eventually

NAME = "robot.example.org"
RECIPES = blocks("remote.md")
_ROBOT = "127.0.0.1:8080"
# What the distribution's main file has, in which the recipe's is included; folders of this test.
_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
access_log off;
client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
{recipe}
}}
"""
# No administration at a port that all share, and no redirection from port 80.
_CADDY = "{{\nadmin off\nauto_https disable_redirects\nhttps_port {port}\n}}\n{recipe}"


def name_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find the proxies' name, as /etc/hosts would."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host in {NAME, NAME.encode()} else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@dataclass(frozen=True)
class ReverseProxy:
    """A proxy that runs.

    Attributes:
        port: Where it listens, on loopback.
        trust: Trusts its certificate.
    """

    port: int
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        """Its URL, without a path."""
        return f"https://{NAME}:{self.port}"

    def client(self, *, source: str = "127.0.0.1", headers: Mapping[str, str] | None = None) -> httpx2.AsyncClient:
        """A client of it, from an address of this machine, where :func:`name_of_this_machine` is in force."""
        transport = httpx2.AsyncHTTPTransport(verify=self.trust, local_address=source)
        return httpx2.AsyncClient(transport=transport, base_url=self.url, headers=headers, timeout=60)


def _with_replaced(recipe: str, replacements: Mapping[str, str]) -> str:
    for old, new in replacements.items():
        assert old in recipe, f"{old!r} is not in the recipe"
        recipe = recipe.replace(old, new)
    return recipe


def _nginx(folder: Path, robot: str, port: int) -> list[str]:
    recipe = _with_replaced(
        RECIPES["nginx"],
        {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl", _ROBOT: robot, "/etc/ssl/": f"{folder}/"},
    )
    return nginx(folder, recipe)


def nginx(folder: Path, servers: str) -> list[str]:
    """Write the configuration of an nginx with these servers; returns the command that runs it."""
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_NGINX.format(user=user, recipe=servers))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", "nginx.conf"]


def _caddy(folder: Path, robot: str, port: int) -> list[str]:
    recipe = _with_replaced(RECIPES["caddy"], {_ROBOT: robot, "/etc/ssl/": f"{folder}/"})
    (folder / "Caddyfile").write_text(_CADDY.format(port=port, recipe=recipe))
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


_PROGRAMS = {"nginx": _nginx, "caddy": _caddy}


@contextlib.asynccontextmanager
async def reverse_proxy(program: str, robot: str, folder: Path) -> AsyncIterator[ReverseProxy]:
    """Run one of them.

    Args:
        program: ``nginx`` or ``caddy``.
        robot: Host and port of the robot's HTTP server.
        folder: For certificate, configuration and log.
    """
    subprocess.run(["bash", "-euc", RECIPES["certificate"]], cwd=folder, check=True, capture_output=True)
    port = free_port()
    async with running(_PROGRAMS[program](folder, robot, port), folder, port):
        yield ReverseProxy(port, ssl.create_default_context(cafile=str(folder / "robot.crt")))


@contextlib.asynccontextmanager
async def running(command: list[str], folder: Path, port: int) -> AsyncIterator[None]:
    """Run a proxy in a folder, from when it listens at a port of loopback."""
    program, *arguments = command
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    executable = shutil.which(program, path=path)
    assert executable, f"{program} is not installed: run 'make develop'"
    log = folder / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", executable, *arguments),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"PATH": path, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        )
    try:

        async def listens() -> bool:
            assert process.returncode is None, log.read_text()
            return await is_listening(port)

        await eventually(listens, f"{program} listens")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
