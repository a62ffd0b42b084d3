"""One robot as a whole: parts, status, saved state, supervision, reactions, monitoring. No hardware library here."""
