"""Which work is current, missing or running: plan, status, SLURM, DVC, reference, evidence.

This room knows every artefact and what it depends on, but computes none of them. Importing it loads
neither torch nor mmdet, because the Snakefile imports it in every job.
"""
