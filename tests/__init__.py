"""Tests: they mirror robot_node/; end_to_end/ drives the whole robot from outside."""
