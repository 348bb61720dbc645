"""Operators on top of mmdet."""
