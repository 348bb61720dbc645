"""torchrun over nodes: ranks.py WORK OUTPUT. The first time all ranks are cut off together.

As in a training, a file says so: the first rank to end has the others killed.
"""

import sys
from pathlib import Path

import torch
from torch import distributed

work, output = Path(sys.argv[1]), Path(sys.argv[2])
again = (work / "iter.pth").exists()
distributed.init_process_group("gloo")
rank = torch.tensor(distributed.get_rank())
distributed.all_reduce(rank)
if distributed.get_rank() == 0:
    target = output if again else work / "iter.pth"
    target.write_text(f"{distributed.get_world_size()} ranks, sum {int(rank)}")
    if not again:
        (work / "interrupted.json").write_text("{}")
distributed.barrier()
distributed.destroy_process_group()
sys.exit(0 if again else 75)
