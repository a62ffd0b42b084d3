"""The camera: its states as one table, the sensor and its streams; a driver for each library. Knows no viewer."""
