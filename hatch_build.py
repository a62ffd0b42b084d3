"""Builds the console's page when a wheel is built: a wheel carries it, so that a Pi needs no Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleBuildHook(BuildHookInterface[Any]):
    """Runs npm in ``robot_node/console``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless the install is editable: 'make setup' builds it there.

        Without npm a page that was built before is taken, or the wheel goes without, and says so.
        """
        del build_data
        if version == "editable":
            return
        folder = Path(self.root, "robot_node", "console")
        npm = shutil.which("npm")
        if npm is not None:
            # Not "npm ci": npm 11.16 to 12.0 refuse a lock file that lacks optional packages of other platforms.
            for command in (["install", "--no-save"], ["run", "build"]):
                subprocess.run([npm, *command], cwd=folder, check=True)  # noqa: S603  # found on the path by name
        elif not (folder / "dist" / "index.html").is_file():
            self.app.display_warning("npm is not installed: this wheel is without the console's page.")
