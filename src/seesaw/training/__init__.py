"""The training loop and its hooks, on mmengine."""
