"""Hearing: from sound to text, on the robot itself."""
