"""Tests of robot-node setup."""
