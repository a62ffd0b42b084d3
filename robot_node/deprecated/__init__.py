"""Import paths of 0.1 that docs or packages of others name, for one release. robot-node itself uses none of them."""

import warnings


def moved(old: str, new: str) -> None:
    """Warn the code that imports ``robot_node.{old}`` that it is ``robot_node.{new}`` now."""
    warnings.warn(
        f"robot_node.{old} is robot_node.{new} now; the old path goes with 0.3.", DeprecationWarning, stacklevel=3
    )
