"""The paper's modules as plug-ins of mmdet, and their sizes; importing it registers them all.

It knows mmdet and torch. It does not know datasets on the disk, experiments or scales' results.
"""

import importlib
import pkgutil

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
