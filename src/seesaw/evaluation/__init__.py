"""Detections to files, LVIS evaluation, inference speed."""
