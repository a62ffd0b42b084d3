"""The simulated hardware: it behaves as the real one does, faults included."""
