"""The camera and its drivers, over simulated hardware."""
