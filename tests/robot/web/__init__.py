"""The robot's own HTTP server."""
