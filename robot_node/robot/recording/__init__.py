"""Recording: the camera's encoded frames into files, without encoding them again."""
