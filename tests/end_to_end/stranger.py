"""A stranger at a terminal: a new folder, nothing of ours on the path, and commands as they stand on a page."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.end_to_end.robot_process import family, is_alive
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 400.0
_MADE = (".venv", "node_modules", "dist", "build", "__pycache__", ".*_cache", ".hypothesis")


def commands_of(page: str) -> list[str]:
    """The commands of a page's ``sh`` blocks, in order, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(bare.split()) for line in lines if (bare := re.sub(r"(^|\s)#.*", "", line))]


class Background:
    """A command that goes on."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    async def says(self, words: str) -> None:
        """Wait for it to print something, a regular expression."""
        await eventually(
            lambda: re.search(words, self.said) is not None or self._process.returncode is not None,
            f"it says {words}",
            deadline_s=COMMAND_TIMEOUT_S,
        )
        assert re.search(words, self.said), self.said

    async def interrupt(self) -> None:
        """Press Ctrl-C: it ends, and leaves no process."""
        processes = family(self._process.pid)
        os.killpg(self._process.pid, signal.SIGINT)
        await eventually(lambda: not [pid for pid in processes if is_alive(pid)], "Ctrl-C leaves no process")
        await self._process.wait()

    def kill(self) -> None:
        """Make sure that it ends."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Stranger:
    """Somebody with a new folder.

    Args:
        folder: It; with a clone of the repository as it was committed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clone = folder / "robot-node"
        self.environment = _environment(folder)

    def get(self) -> None:
        """Get the repository: what is committed, nothing of what make has made."""
        if not (REPOSITORY / ".git").exists():  # an unpacked sdist
            shutil.copytree(REPOSITORY, self.clone, symlinks=True, ignore=shutil.ignore_patterns(*_MADE))
            return
        # git refuses a repository of another user's unless this is in a global file.
        settings = self._folder / "gitconfig"
        settings.write_text("[safe]\n\tdirectory = *\n")
        subprocess.run(
            ["git", "clone", "--quiet", str(REPOSITORY), str(self.clone)],
            check=True,
            env={**self.environment, "GIT_CONFIG_GLOBAL": str(settings)},
        )

    def does(self, command: str) -> None:
        """Run a command in the clone until it ends well, as :meth:`types` does; for fixtures of a whole module."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    async def types(self, command: str) -> str:
        """Run a command in the clone until it ends well; returns what it printed."""
        process = await self._start(command, asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        assert process.returncode == 0, f"{command}\n{said.decode(errors='replace')}"
        return said.decode(errors="replace")

    @contextlib.asynccontextmanager
    async def starts(self, command: str) -> AsyncIterator[Background]:
        """Run a command in the clone, in another terminal."""
        log = self._folder / f"log-{len(list(self._folder.glob('log-*')))}"
        with log.open("wb") as out:
            background = Background(await self._start(command, out.fileno()), log)
        try:
            yield background
        finally:
            background.kill()

    async def _start(self, command: str, out: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *("bash", "-c", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.clone,
            env=self.environment,
            start_new_session=True,
        )


def _environment(folder: Path) -> dict[str, str]:
    """Ours without what belongs to us: virtual environment, settings, packages in the home."""
    own = str(Path(sys.executable).parent)
    programs = [part for part in os.environ["PATH"].split(":") if part != own]
    if shutil.which("sudo") is None:
        (folder / "bin").mkdir()
        (folder / "bin/sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (folder / "bin/sudo").chmod(0o755)
        programs.append(str(folder / "bin"))
    strange = ("ROBOT_NODE_", "PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHONPATH")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(strange)},
        "PATH": ":".join(programs),
        "PYTHONNOUSERSITE": "1",
        "PIP_NO_COMPILE": "1",  # only what is used gets compiled: a third of the time
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }
