"""Pictures to events: motion and detected objects. Pure algorithms, and the workers that run them; knows no network."""
