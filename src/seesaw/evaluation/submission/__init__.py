"""Detections as a package for the LVIS server, its validation, and receipts."""
