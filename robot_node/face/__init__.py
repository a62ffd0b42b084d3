"""The face: emotions to pixels. Pure: no hardware, no clock of its own."""
