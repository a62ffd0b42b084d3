"""What is run to make something of the repository: see the Makefile."""
