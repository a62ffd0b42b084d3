"""The face: what the expressions look like."""
