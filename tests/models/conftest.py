"""Makes the helpers in this folder importable in those below it."""
