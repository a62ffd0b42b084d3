"""Settings as validated, frozen models: TOML file < credentials < environment < command line. Opens no device."""
