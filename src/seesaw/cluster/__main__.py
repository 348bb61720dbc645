"""What stands before Slurm's commands: python -m seesaw.cluster sbatch|squeue|... ARGUMENTS."""

import sys

from seesaw.cluster import queue, sbatch, squeue

COMMANDS = {"sbatch": sbatch.main, "squeue": squeue.main, "sacct": squeue.main}
COMMANDS |= {"sinfo": queue.answered, "srun": queue.answered}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](sys.argv[1:]))
