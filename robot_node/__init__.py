"""robot-node: a Raspberry Pi's camera and face as MCP tools over MQTT, and its picture over WebRTC."""

# Import paths of the previous release are found in this folder, and warn.
__path__.append(f"{__path__[0]}/deprecated")
