"""The robot in Home Assistant: entities that show it, pictures, and entities that act."""
