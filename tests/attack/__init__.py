"""Attacks on a robot, its viewers and the programs around it: each a case that once did harm, or must never."""
