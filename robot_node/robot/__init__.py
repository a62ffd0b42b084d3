"""One robot as a whole: its parts, status, saved state, supervision, reactions, monitoring. No hardware library here."""
