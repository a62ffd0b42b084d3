"""Logging: levels per category; text, JSON or journal; deduplication, rate limit. Knows no robot: it only formats."""
