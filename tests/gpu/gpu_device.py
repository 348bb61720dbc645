"""Where these tests run: the GPU, or the CPU again for a rehearsal without one."""

import os

GPU = "cpu" if os.environ.get("SEESAW_REHEARSE_GPU_TESTS") else "cuda"
