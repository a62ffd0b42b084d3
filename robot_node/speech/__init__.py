"""Text to sound and sound to text, with engines as entry points. Knows sound sources and sinks, not sound cards."""
