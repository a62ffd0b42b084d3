"""Shared by all packages: state, events, counters, media interfaces, asyncio and file helpers. Imports only errors."""
