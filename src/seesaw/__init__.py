"""Seesaw Loss for Long-Tailed Instance Segmentation: the supplementary as a program.

``custom_imports=dict(imports=["seesaw"])`` in a config of mmdet makes Seesaw Loss, EQL, BAGS, TSD,
HTC-Lite and the rest known to mmdet's registries: docs/use_elsewhere.md.
"""

import sys as _sys

__version__ = "0.1.0"


def register() -> None:
    """Make every module known to mmdet's registries, as the project's configs do.

    Importing this package does so by itself where mmengine is loaded already, as it is when a
    config names the package. Else it loads nothing heavy.
    """
    from importlib import import_module

    for module in ("models", "data.federated_lvis", "data.transforms"):
        import_module(f"seesaw.{module}")


if "mmengine" in _sys.modules:
    register()
