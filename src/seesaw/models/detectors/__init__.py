"""Detectors of the ladder."""
