"""robot-node: a Raspberry Pi's camera and face as MCP tools over MQTT, and its picture over WebRTC."""

# Import paths of the previous release are found in this folder, and warn. A new list: the package's spec shares the old
# one, and tools that follow imports would see each of those modules twice.
__path__ = [*__path__, f"{__path__[0]}/deprecated"]
