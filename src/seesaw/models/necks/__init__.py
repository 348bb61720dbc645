"""Necks on top of mmdet."""
