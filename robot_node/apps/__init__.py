"""Applications other than the robot: bridge, demo, doctor, setup, remote, private broker. No command line here."""
