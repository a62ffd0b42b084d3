"""Entry point of the .mcpb bundle: runs ``robot-node bridge`` with the settings that the desktop agent passes on."""

from __future__ import annotations

import os
import sys

from robot_node.__main__ import main

for _name in [name for name in os.environ if name.startswith("ROBOT_NODE_")]:
    # A field that was left empty comes as an empty text, or as the placeholder itself.
    if os.environ[_name] == "" or os.environ[_name].startswith("${user_config."):
        del os.environ[_name]
sys.argv[1:] = ["bridge"]
main()
