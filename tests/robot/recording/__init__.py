"""Recording: ring buffer, files, folder, and the recorder over a simulated camera."""
