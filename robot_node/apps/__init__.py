"""Programs that are no robot: bridge, demo, doctor, setup, remote, private broker. They know no command line."""
