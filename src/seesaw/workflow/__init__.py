"""Which work is current, missing or running: plan, status, SLURM, DVC, reference, evidence.

It knows every artefact and what each depends on, but computes none of them. Importing it loads
neither torch nor mmdet, because the Snakefile does so in every job.
"""
