"""The robot in Home Assistant."""
