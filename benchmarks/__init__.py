"""Benchmarks of the project's claims. Each module prints one JSON line: ``python -m benchmarks.NAME``."""
