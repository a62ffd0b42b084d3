"""robot-node: a Raspberry Pi's camera and face as MCP tools over MQTT, and its picture over WebRTC."""
