"""The training loop on mmengine: exact resume, checkpoints, deadlines, run log and W&B.

This room turns a resolved config into weights and a log. It does not know how weights are
evaluated, which rule called it, or that SLURM exists.
"""
