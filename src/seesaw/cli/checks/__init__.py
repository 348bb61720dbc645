"""The checks of ``doctor`` and ``preflight``: what a machine or a scale lacks."""
