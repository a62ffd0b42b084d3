"""What agents see: MCP tools, resources, and who may call them. Thin calls into devices; nothing here touches MQTT."""
