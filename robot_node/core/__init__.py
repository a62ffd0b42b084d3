"""What every room shares: state, events, counters, media interfaces, asyncio and file helpers. Imports only errors."""
