"""Speech: from a text to the loudspeaker, to viewers, to the face."""
