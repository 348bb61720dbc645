"""Mask heads on top of mmdet."""
