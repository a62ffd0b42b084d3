"""MCP over MQTT, against real mosquitto and the official SDK."""
