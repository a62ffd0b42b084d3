"""Logging: levels per category; text, JSON or the systemd journal; deduplication and rate limit."""
