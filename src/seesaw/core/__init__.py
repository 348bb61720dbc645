"""Files, hashes, records, YAML and secrets: the helpers that every other room uses.

This room knows no experiment, no scale and no dataset, and imports neither torch nor mmdet.
"""
