"""A training of numbered iterations, each saved: toy.py WORK OUTPUT ITERATIONS SECONDS [CUT].

Its output lists the iterations in the order done, a line a process that did some.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

work, output = Path(sys.argv[1]), Path(sys.argv[2])
iterations, seconds = int(sys.argv[3]), float(sys.argv[4])
cut = int(sys.argv[5]) if len(sys.argv) > 5 else iterations
until = float(os.environ.get("SEESAW_DEADLINE", "inf"))
signals = []
signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
if work.name == "bad_node":
    node = os.environ["SLURMD_NODENAME"]
    with (work / "nodes").open("a") as nodes:
        nodes.write(node + "\n")
    if (work / "nodes").read_text().split()[0] == node:
        sys.exit(1)
found = sorted(work.glob("iter_*.pth"))
done = found[-1].read_text() + "\n" if found else ""
first = len(done.split())
for i in range(first, iterations):
    if i - first == cut or signals or time.time() > until:
        record = {"done": i, "total": iterations, "reason": "a toy"}
        (work / "interrupted.json").write_text(json.dumps(record))
        sys.exit(75)
    while work.name == "taken" and i == 10 and not (work / "go").exists():
        time.sleep(0.1)
    time.sleep(seconds)
    done += f"{i} "
    part = work / ".part"
    part.write_text(done)
    part.rename(work / f"iter_{i:03}.pth")
    if work.name == "killed" and i == 4:
        os.kill(os.getpid(), signal.SIGKILL)
output.write_text(done)
