"""Import paths of 0.1. See :mod:`robot_node.deprecated`."""
