"""Slurm: a site's settings, multi-GPU launch, self-requeueing trainings, a watched squeue."""

# The exit code of each Slurm job's command, by job id; the queue forgets it, this does not.
ENDS = ".snakemake/slurm_ends"
