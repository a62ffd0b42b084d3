"""The robot's own HTTP server: pictures, WHEP and figures. Knows the robot's parts, and no MQTT."""
