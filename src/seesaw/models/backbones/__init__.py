"""Backbones on top of mmdet."""
