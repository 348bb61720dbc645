"""The run log of a training (JSON lines, always) and its mirror in W&B (if wanted)."""
