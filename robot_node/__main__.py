"""``robot-node``, and ``python -m robot_node``."""

import sys

from robot_node import process_list
from robot_node.quick_imports import without_collector


def main() -> None:
    """Entry point. A password on the command line leaves it before anything else is loaded."""
    process_list.hide_password(sys.argv, sys.orig_argv)
    with without_collector():
        from robot_node.cli import main as run  # noqa: PLC0415  # takes its time
    run()


if __name__ == "__main__":
    main()
