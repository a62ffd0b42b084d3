"""Builds the console's page before a package is built: both kinds carry it, so that a Pi needs no Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleBuildHook(BuildHookInterface[Any]):
    """Runs npm in ``robot_node/console``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless the install is editable ('make setup' builds it there) or the page is there already.

        Without npm, or with one that fails, an older page is taken, or the package goes without, and says so: a robot
        needs none, and a small Pi with an old Node should not be left without robot-node.
        """
        del build_data
        folder = Path(self.root, "robot_node", "console")
        page = folder / "dist" / "index.html"
        if version == "editable" or _is_up_to_date(page, folder):
            return
        npm = shutil.which("npm")
        if npm is not None:
            # Not "npm ci": npm 11.16 to 12.0 refuse a lock file that lacks optional packages of other platforms.
            for command in (["install", "--no-save"], ["run", "build"]):
                if subprocess.run([npm, *command], cwd=folder, check=False).returncode:
                    self.app.display_warning(f"'npm {' '.join(command)}' failed in {folder}.")
                    break
        if not page.is_file():
            self.app.display_warning("This package is without the console's page, which npm would have built.")


def _is_up_to_date(page: Path, folder: Path) -> bool:
    """Whether the page was built after what it is made from was changed, as make would ask. So it is in an sdist."""
    made_from = [path for name in ("src", "public") for path in (folder / name).rglob("*") if path.is_file()]
    made_from += [path for path in folder.glob("*.*") if path.suffix in {".json", ".ts", ".html"}]
    return page.is_file() and all(path.stat().st_mtime <= page.stat().st_mtime for path in made_from)
