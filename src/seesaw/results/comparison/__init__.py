"""Comparison of two evaluations: metrics, categories and example images."""
