"""Motion and detected objects: the pure parts on real footage, and the workers with a simulated camera."""
