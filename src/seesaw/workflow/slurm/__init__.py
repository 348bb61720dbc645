"""SLURM: resources, multi-GPU launch, trainings that requeue themselves, monitored commands."""
