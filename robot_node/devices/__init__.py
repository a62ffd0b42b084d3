"""Devices: a small interface each, and the driver that talks to the real hardware library."""
