"""Text to sound and sound to text, with engines as entry points. Knows the mixer's inputs and taps, not sound cards."""
