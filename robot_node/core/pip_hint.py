"""The Python that runs us, in commands for a person to type: the packages that we need belong in its environment.

A Raspberry Pi's own ``pip`` refuses ("externally managed", PEP 668), and would install them elsewhere.
"""

from __future__ import annotations

import sys
from pathlib import Path


def run_module(words: str) -> str:
    """A command that runs a module with our Python, e.g. for ``"sounddevice"``."""
    return f"{sys.executable} -m {words}"


def run_pip(words: str) -> str:
    """A command that changes what is installed in our environment, e.g. for ``"install sounddevice"``."""
    sudo = "sudo " if Path(sys.prefix).stat().st_uid == 0 else ""
    return f"{sudo}{run_module(f'pip {words}')}"
