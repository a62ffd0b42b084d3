"""Tests of what is on the pins."""
