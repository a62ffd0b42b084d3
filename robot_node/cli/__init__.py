"""The commands of ``robot-node`` (typer): parse, call, print. No logic: that is in apps/ or daemon.py."""
