"""How a robot is watched over months: figures for Prometheus, a health message, entities in Home Assistant."""
