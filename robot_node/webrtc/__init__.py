"""Streaming over WebRTC, signalled over MQTT. Knows video sources, not the hardware they come from."""
