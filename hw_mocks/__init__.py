"""A simulated Raspberry Pi: stands in for the hardware libraries, below robot-node's drivers."""
