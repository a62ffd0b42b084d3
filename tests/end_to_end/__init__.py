"""The whole robot as a process of its own, driven only from outside."""
