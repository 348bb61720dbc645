"""The specification: experiments, scales, configs, datasets, downloads, claims, paper values.

This room reads and checks the files of configs/ and site.yaml and defines the paths of results. It
does not know how results are computed. Importing it loads neither torch nor mmdet, because the
Snakefile imports it in every job.
"""
