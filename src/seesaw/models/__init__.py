"""The paper's modules as plug-ins of mmdet, and their sizes; importing this room registers them.

This room knows mmdet and torch. It does not know datasets on disk, experiments or results.
"""

import importlib
import pkgutil

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
