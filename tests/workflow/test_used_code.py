"""Fingerprints change with what a training uses, and with nothing else."""

from pathlib import Path

import pytest

from seesaw.core import hashing
from seesaw.errors import UserError
from seesaw.workflow import used_code as fp

HEAD = '''"""The {name}."""
from toy.models.base import Base
from mmdet.registry import MODELS


@MODELS.register_module()
class {name}(Base):
    """Doc."""

    scale = {scale}  # why
'''
FILES = {
    "__init__.py": '"""Toy."""\n__version__ = "1"\n',
    "models/__init__.py": "from toy.models import head_a, head_b\nfrom .head_b import HeadB\n",
    "models/base.py": "class Base:\n    pass\n",
    "models/head_a.py": HEAD.format(name="HeadA", scale=1),
    "models/head_b.py": HEAD.format(name="HeadB", scale=1),
    "training/__init__.py": "",
    "training/train.py": (
        "import toy.models\nimport torch\nfrom toy import errors\n"
        "def train():\n    from ..data.lvis import load\n    return load()\n"
    ),
    "data/__init__.py": "",
    "data/lvis.py": "from . import sampler as s\ndef load():\n    return s.draw()\n",
    "data/sampler.py": "import toy.data.lvis\ndef draw():\n    return 3\n",
    "errors.py": "class UserError(Exception): ...\n",
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        put(tmp_path / "toy", name, text)
    return tmp_path / "toy"


def put(package: Path, name: str, text: str) -> None:
    for kept in (fp._files, fp._read, fp._code, fp.registry_map):
        kept.cache_clear()
    path = package / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def edit(package: Path, name: str, old: str, new: str) -> None:
    text = (package / name).read_text()
    assert old in text
    put(package, name, text.replace(old, new))


def names(package: Path, *roots: str) -> list[str]:
    files = fp.code_modules(roots, package).values()
    return [f.relative_to(package).with_suffix("").as_posix() for f in files]


def training(package: Path, head: str = "HeadA", **changes) -> str:
    config = {"model": {"type": "MaskRCNN", "roi_head": [{"type": head}]}}
    facts = {"config": config, "dataset_hash": "d", "seed": 0, "parent": None} | changes
    parts = fp.training_parts(**facts, extra_roots=["toy.training.train"], package_dir=package)
    return hashing.fingerprint(**parts)


def test_comments_docstrings_and_layout_are_no_code(tmp_path):
    texts = (
        '"""Doc."""\n# comment\nclass A:\n    """Doc."""\n    x: int = 1\n    "about x"\n\n'
        'async def f(a, b):\n    """Doc."""\n\ny = """kept"""\ng = lambda: "kept"\n',
        "class A:\n    x: int = (1)\nasync def f(a,\n  b): pass\ny = 'kept'\ng = lambda: 'kept'\n",
        "class A:\n    x: int = (1)\nasync def f(a,\n  b): pass\ny = 'kept'\ng = lambda: ''\n",
    )
    hashes = []
    for n, text in enumerate(texts):
        package = tmp_path / str(n) / "toy"
        put(package, "a.py", text)
        hashes.append(fp.code_hash(["toy.a"], package))
    assert hashes[0] == hashes[1] != hashes[2]


def test_every_python_gives_the_same_hash(tmp_path):
    """The value was computed by Python 3.10 to 3.13; `ast.unparse` quotes these f-strings in two
    ways."""
    text = """
def f(x, *, key=None, **more) -> "int":
    match x:
        case {"a": [int(y), *_]} if (z := y) > 1:
            return [*map(str, more), f"{x['a']!r:>{z}} {key=} \\n" 'é' f'{{"{y}"}}']
    return lambda v, /: {**more, None: 1e-3, "b": -1j, "c": b"d", "e": ...}[v, ::2]
"""
    put(tmp_path / "toy", "a.py", text)
    assert fp.code_hash(["toy.a"], tmp_path / "toy")[:16] == "d36284ba3e4c0919"


def test_imports_are_followed_per_module_file(toy):
    """In functions, relative, through a cycle; never through a parent's or imported __init__."""
    assert names(toy, "toy.training.train") == ["data/lvis", "data/sampler", "training/train"]
    assert names(toy, "toy.models.head_a") == ["models/base", "models/head_a"]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("import toy.models.head_a", "models/head_a"),
        ("import toy.models.head_a as h", "models/head_a"),
        ("from toy.models import head_a", "models/head_a"),
        ("from toy.models.head_a import HeadA", "models/head_a"),
        ("from toy.models.head_a import *", "models/head_a"),
        ("from . import head_a", "models/head_a"),
        ("from .head_a import HeadA as H", "models/head_a"),
        ("from ..data import sampler", "data/sampler"),
        ("from ..data.sampler import draw", "data/sampler"),
        ("if True:\n    class A:\n        def f(s): from . import head_a", "models/head_a"),
        ("default = dict(type='HeadA')", "models/head_a"),
        ("import_module('toy.models.head_a')", "models/head_a"),
        ("from toy import __version__", "__init__"),
        ("from .. import __version__", "__init__"),
    ],
)
def test_every_form_of_import(toy, statement, found):
    put(toy, "models/probe.py", statement)
    assert found in names(toy, "toy.models.probe")


@pytest.mark.parametrize(
    "statement",
    [
        "import toy",
        "import toy.models",
        "from toy import models",
        "import toys.models.head_a",
        "import torch.models.head_a",
        "from toy import errors",
        "'HeadA'",
        "x = 'uses HeadA'",
    ],
)
def test_what_is_not_followed(toy, statement):
    put(toy, "models/probe.py", statement)
    assert names(toy, "toy.models.probe") == ["models/probe"]


def test_cosmetic_edits_and_unrelated_modules_retrain_nothing(toy):
    before = training(toy)
    edit(toy, "models/head_a.py", "# why", "# because")
    edit(toy, "models/head_a.py", '"""Doc."""', '"""Another\n\n    doc."""')
    edit(toy, "models/head_a.py", "scale = 1", "scale = (1)")
    edit(toy, "models/__init__.py", "head_b\n", "head_b, head_c\n")
    edit(toy, "errors.py", "...", "code = 2")
    put(toy, "models/head_c.py", HEAD.format(name="HeadC", scale=3))
    assert training(toy) == before


def test_a_fix_retrains_its_users_only(toy):
    a, b = training(toy), training(toy, "HeadB")
    edit(toy, "models/head_a.py", "scale = 1", "scale = 2")
    assert training(toy) != a
    assert training(toy, "HeadB") == b
    edit(toy, "models/head_a.py", "scale = 2", "scale = 1")
    assert training(toy) == a
    for shared in ("models/base.py", "data/sampler.py", "training/train.py"):
        put(toy, shared, (toy / shared).read_text() + "z = 1\n")
        assert training(toy) != a and training(toy, "HeadB") != b
        a, b = training(toy), training(toy, "HeadB")


def test_moved_code_and_each_part_count(toy, tmp_path):
    before = training(toy)
    parts = [
        training(toy, dataset_hash="e"),
        training(toy, seed=1),
        training(toy, parent="p"),
        training(toy, config={"model": {"type": "HeadA"}}),
    ]
    assert len({before, *parts}) == 5
    # how much of a batch a GPU takes at once is the machine's business
    config = {"model": {"type": "HeadA"}}
    assert training(toy, config=config | {"images_per_gpu": 1}) == training(toy, config=config)
    copy = tmp_path / "elsewhere" / "toy"
    for name, text in FILES.items():
        put(copy, name, text)
    assert training(copy) == before


def test_config_imports_and_full_paths_are_used_code(toy):
    put(toy, "models/patch.py", "x = 1\n")
    configs = [
        {"custom_imports": {"imports": ["toy.models", "toy.models.patch"]}},
        {"custom_imports": {"imports": "toy.models.patch"}},
        {"hook": {"type": "toy.models.patch.Hook"}},
    ]
    before = [training(toy, config=c) for c in configs]
    edit(toy, "models/patch.py", "1", "2")
    assert not set(before) & {training(toy, config=c) for c in configs}


def test_config_types_at_any_depth():
    config = {
        "model": {"type": "A", "heads": [{"type": "B"}, ({"type": "mmdet.C"}, 3)]},
        "optim_wrapper": {"constructor": "D", "type": None},
        "types": "no",
    }
    assert fp.config_types(config) == {"A", "B", "mmdet.C", "D"}


def test_registry_map_reads_every_form_of_registration(toy):
    put(
        toy,
        "more.py",
        "@MODELS.register_module(name='Named')\nclass A: ...\n"
        "@x.HOOKS.register_module(['First', 'Second'], force=True)\nclass B: ...\n"
        "@FUNCTIONS.register_module()\ndef function(): ...\n"
        "@MODELS.register_module()\n@final\nclass HeadB: ...\n"
        "MODELS.register_module(name='Called', module=A)\n"
        "MODELS.register_module(module=torch.nn.SiLU)\n"
        "@other()\nclass C: ...\n",
    )
    registry = fp.registry_map(toy)
    assert registry == {
        "HeadA": ["toy.models.head_a"],
        "HeadB": ["toy.models.head_b", "toy.more"],
        **{n: ["toy.more"] for n in ("Named", "First", "Second", "function", "Called", "SiLU")},
    }
    types = {"mmdet.HeadA", "Named", "MaskRCNN"}
    assert fp.modules_of_types(types, registry) == {"toy.models.head_a", "toy.more"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "line 1"),
        ("@M.register_module(name=NAME)\nclass A: ...\n", "line 1: .*literal"),
    ],
)
def test_unreadable_code_is_one_sentence(toy, text, said):
    put(toy, "bad.py", text)
    with pytest.raises(UserError, match=rf"bad\.py .*{said}"):
        fp.registry_map(toy)


def test_unknown_root_and_missing_file(toy):
    with pytest.raises(UserError, match=r"no module 'toy.tarining'"):
        fp.code_hash(["toy.tarining"], toy)
    put(toy, "elsewhere.py", "")
    (toy / "gone.py").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"gone\.py .*restore"):
        fp.registry_map(toy)
