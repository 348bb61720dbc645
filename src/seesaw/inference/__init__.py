"""Detections on images of one's own."""
