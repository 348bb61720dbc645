"""Two evaluations side by side: metrics, categories, example images."""
