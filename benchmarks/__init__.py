"""What the project claims, measured. Each module prints one JSON line: ``python -m benchmarks.NAME``."""
