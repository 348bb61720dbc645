"""Evaluation of trained weights: detect, score, resample, time, predict, package a submission.

This room knows detections and annotations. It does not know how a model was trained, or the
tables, claims and figures that show its numbers.
"""
