"""Datasets: the mini-LVIS generator, LVIS-format folders and their manifests."""
