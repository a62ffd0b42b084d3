"""The service unit, and the service under a real systemd."""
