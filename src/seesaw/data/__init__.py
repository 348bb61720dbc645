"""Datasets: generated, downloaded, checked, counted and transformed.

This room knows the format of LVIS and the entries of configs/datasets.yaml. It does not know
models, trainings or results.
"""
