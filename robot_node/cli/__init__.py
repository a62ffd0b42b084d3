"""Commands of ``robot-node`` (typer): parse, call, print. No logic: that belongs in apps/ or daemon.py."""
