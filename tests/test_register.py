"""``import seesaw`` is light; `seesaw.register` makes all modules known.

With mmengine loaded the import registers by itself: tests/evaluation/test_use_elsewhere.py.
"""

import ast
from pathlib import Path

from repository import python

from seesaw.core import paths

SCRIPT = """
import sys
import seesaw
before = "torch" in sys.modules or "mmengine" in sys.modules
seesaw.register()
from mmdet.registry import MODELS
names = ("SyncedSeesawLoss", "EqualizationLoss", "GroupSoftmaxLoss", "TSDBBoxHead")
print()
print(before, all(MODELS.get(name) for name in (*names, "HTCLiteRoIHead", "EnhancedFPG")))
"""


def test_the_import_is_light_and_registers_when_asked():
    done = python(Path(), "-c", SCRIPT)
    assert done.stdout.splitlines()[-1:] == ["False True"]


def test_the_projects_configs_register_the_same():
    tree = ast.parse((paths.CONFIGS / "_base_/runtime.py").read_text())
    configs = next(n for n in ast.walk(tree) if isinstance(n, ast.List))
    code = ast.parse(Path("src/seesaw/__init__.py").read_text())
    modules = next(n.iter for n in ast.walk(code) if isinstance(n, ast.For))
    assert ast.literal_eval(configs) == [f"seesaw.{m}" for m in ast.literal_eval(modules)]
