"""A simulated Raspberry Pi: replaces the hardware libraries below robot-node's drivers."""
