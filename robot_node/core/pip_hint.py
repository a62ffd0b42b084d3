"""Commands for people that use robot-node's own Python, in whose environment its packages belong.

A Raspberry Pi's own ``pip`` refuses ("externally managed", PEP 668), and would install them elsewhere.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_CONSTRAINTS = (_PACKAGE / "constraints.txt", _PACKAGE.parent / "constraints.txt")
"""In a package that is installed, and in a clone."""


def run_module(words: str) -> str:
    """A command that runs a module with robot-node's Python, e.g. for ``"sounddevice"``."""
    return f"{sys.executable} -m {words}"


def run_pip(words: str) -> str:
    """A command that changes robot-node's environment, e.g. for ``"install sounddevice"``.

    It installs the versions that were tested, where the file that says which they are is there.
    """
    sudo = "sudo " if Path(sys.prefix).stat().st_uid == 0 else ""
    constraint = next((f" -c {shlex.quote(str(file))}" for file in _CONSTRAINTS if file.is_file()), "")
    return f"{sudo}{run_module(f'pip {words}')}{constraint if words.startswith('install ') else ''}"
