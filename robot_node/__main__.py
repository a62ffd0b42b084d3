"""``robot-node``, and ``python -m robot_node``."""

import signal
import sys


def main() -> None:
    """Entry point. Removes passwords from the process's command line before anything else is loaded."""
    # Python's own handler would print a traceback of whatever import is under way.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from robot_node.cli import hide_passwords  # noqa: PLC0415  # after the line above
    from robot_node.core.imports import without_collector  # noqa: PLC0415  # as above

    hide_passwords.hide_password(sys.argv, sys.orig_argv)
    with without_collector():
        from robot_node.cli.main import main as run  # noqa: PLC0415  # slow to import
    run()


if __name__ == "__main__":
    main()
