"""Monitoring of a robot: metrics for Prometheus, a health message, entities in Home Assistant."""
