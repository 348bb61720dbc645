"""Slurm: a site's settings, multi-GPU launch, self-requeueing trainings, watched commands."""
