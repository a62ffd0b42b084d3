"""Tests of what watches a robot."""
