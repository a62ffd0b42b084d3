"""Attacks: peers that do what no honest peer would."""
