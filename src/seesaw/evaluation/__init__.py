"""From weights to numbers: detect, score, resample, time, predict, package a submission.

It knows detections and annotations. It does not know how a model was trained, or the tables,
claims and figures that show its numbers.
"""
