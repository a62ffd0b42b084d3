"""Tests of ``robot-node doctor``."""
