"""Prints the notes of a release, which are its section of CHANGELOG.md: ``python -m scripts.release_notes [TAG]``.

Without a tag: the section of the version in pyproject.toml, or "Unreleased" as long as there is none.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNRELEASED = "Unreleased"


def version() -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def section(changelog: str, title: str) -> str:
    """Return the text below the heading of a version, without the heading; a date may follow its version.

    Raises:
        KeyError: There is no such section, or it is empty.
    """
    for part in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        if heading.split()[:1] == [title] and text.strip():
            return text.strip() + "\n"
    raise KeyError(title)


def notes(changelog: str, project_version: str, tag: str = "") -> str:
    """Return the notes of a release.

    Args:
        changelog: Text of CHANGELOG.md.
        project_version: The version in pyproject.toml.
        tag: The release's tag, ``v`` and the version; empty for a build without one.

    Raises:
        ValueError: The tag is not that of the version, or the version has no section; the text says what to do.
    """
    if tag and tag != f"v{project_version}":
        raise ValueError(
            f"The tag {tag} is not v{project_version}, the version in pyproject.toml. Change one of the two."
        )
    try:
        return section(changelog, project_version)
    except KeyError:
        if tag:
            raise ValueError(
                f"CHANGELOG.md has no section {project_version}. Rename '## {UNRELEASED}' to '## {project_version}'."
            ) from None
        return section(changelog, UNRELEASED)


def main() -> None:
    """Print the notes, or why there are none."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        print(notes(changelog, version(), *sys.argv[1:2]), end="")  # noqa: T201  # its purpose
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
