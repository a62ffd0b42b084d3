"""How Sphinx makes the site of the pages in this folder: ``make docs``."""

from __future__ import annotations

from importlib import metadata

project = "robot-node"
release = version = metadata.version("robot-node")
author = copyright = "The robot-node contributors"  # noqa: A001  # a name that Sphinx reads

extensions = ["myst_parser"]
exclude_patterns = ["device-example"]
# Links may name a heading down to this level, as on GitHub; one that names none is a warning, and so an error.
myst_heading_anchors = 4

smartquotes = False  # quotes are there to be copied

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_title = "robot-node"
html_use_index = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
