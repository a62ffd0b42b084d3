"""Certificates made by the commands of docs/tls.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "tls.md"


def run_recipe(name: str, folder: Path, *, days: int = 0, **variables: str) -> None:
    """Run the commands that the guide gives under a name, in a folder, as if so many days from now."""
    found = re.search(rf"<!-- tested: {name} -->\n```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"no recipe {name!r} in {GUIDE.name}"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), **variables}
    then = ["faketime", "-f", f"{days:+}d"] if days else []
    subprocess.run([*then, "bash", "-euc", found[1]], cwd=folder, check=True, capture_output=True, env=environment)


def tls_listener(folder: Path, port: int, *, ask_for_client: bool = True) -> str:
    """Lines for mosquitto's settings: a listener with the certificates of a folder."""
    lines = [f"listener {port} 127.0.0.1"]
    lines += [f"{key} {folder / name}" for key, name in _FILES]
    if ask_for_client:
        lines += ["require_certificate true", "use_identity_as_username true"]
    return "\n".join(lines) + "\n"


_FILES = (("cafile", "ca.crt"), ("certfile", "broker.crt"), ("keyfile", "broker.key"))
