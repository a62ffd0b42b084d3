"""``python -m robot_node`` is ``robot-node``."""

from robot_node.cli import main

main()
