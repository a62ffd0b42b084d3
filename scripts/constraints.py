"""Writes ``constraints.txt``, the exact versions that were tested: ``make upgrade`` does it last.

Everything that a robot runs on, as it is installed here: the dependencies of pyproject.toml, its extras for robots, and
all that these bring.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FILE = ROOT / "constraints.txt"
EXTRAS = ("audio", "conversation", "detection", "hearing", "motion", "sherpa", "simulation")
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
LEFT_OUT = {"setuptools"}
"""An environment of Python brings one that fits, or does without."""

_HEAD = """\
# The versions that were tested, of everything that a robot runs on, its extras for robots included:
# pip install -c constraints.txt robot_node-*.whl
# Written by scripts/constraints.py from what is installed (make upgrade); tests/test_dependencies.py compares the two.
"""


def direct_requirements() -> list[Requirement]:
    """The requirements of pyproject.toml, with those of the extras for robots."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: Mapping[str, list[str]] = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for extra in EXTRAS for text in extras[extra])]
    return [Requirement(text) for text in texts]


def installed() -> dict[str, metadata.Distribution]:
    """The packages that a robot needs on some supported Python or machine, by canonical name.

    Raises:
        PackageNotFoundError: one is not installed here.
    """
    found: dict[str, metadata.Distribution] = {}
    environments = [
        {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine}
        for python in PYTHONS
        for machine in MACHINES
    ]
    waiting, seen = direct_requirements(), set[tuple[str, ...]]()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), sorted(requirement.extras) or [""]
        if name in LEFT_OUT or (name, *extras) in seen:
            continue
        seen.add((name, *extras))
        found[name] = metadata.distribution(name)
        for needed in map(Requirement, found[name].requires or ()):
            marker = needed.marker
            if marker is None or any(
                marker.evaluate({**environment, "extra": extra}) for environment in environments for extra in extras
            ):
                waiting.append(needed)
    return found


def text() -> str:
    """The content of the file."""
    lines = (f"{name}=={found.version}\n" for name, found in sorted(installed().items()))
    return _HEAD + "".join(lines)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
