"""The device drivers, over simulated hardware."""
