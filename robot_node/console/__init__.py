"""The console: a web page that a robot's owner keeps open, and the few lines that serve it."""
