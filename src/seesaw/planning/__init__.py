"""What the workflow will cost and how far it is, from files alone; no torch, no mmdet."""
