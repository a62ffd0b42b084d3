"""The console: a web page for a robot's owner, and the few lines that serve it. Neither MQTT nor MCP in Python here."""
