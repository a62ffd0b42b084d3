"""The log: categories with levels of their own, lines for people, JSON or the journal, and limits to all of it."""
