"""What a machine lacks for a scale, and what to do about it."""
