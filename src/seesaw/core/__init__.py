"""Files, hashes, records of evidence, YAML, secrets: what every other room stands on.

It knows no experiment, no scale and no dataset, and imports neither torch nor mmdet.
"""
