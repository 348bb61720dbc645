"""DVC's stages, the metadata that travels with results, and the committed reference results."""
