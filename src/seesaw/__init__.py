"""Seesaw Loss for Long-Tailed Instance Segmentation: the supplementary as a program."""

__version__ = "0.1.0"
