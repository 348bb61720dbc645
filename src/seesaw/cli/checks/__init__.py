"""What a machine or a scale lacks before a run: the checks of doctor and preflight."""
