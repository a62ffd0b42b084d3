"""``robot-node``, and ``python -m robot_node``."""

import sys

from robot_node.cli import hide_passwords
from robot_node.core.imports import without_collector


def main() -> None:
    """Entry point. Removes passwords from the process's command line before anything else is loaded."""
    hide_passwords.hide_password(sys.argv, sys.orig_argv)
    with without_collector():
        from robot_node.cli.main import main as run  # noqa: PLC0415  # slow to import
    run()


if __name__ == "__main__":
    main()
