"""Fingerprints: hashes of everything that a training depends on, including the code that it uses.

Code counts as its syntax tree without docstrings, which is alike in Python 3.10 to 3.13, unlike
what `ast.unparse` prints. Only the modules that a config uses count: those that
register its types and those that they import, found by static analysis of each module file. A
package's ``__init__`` counts only where a name defined in it is imported, not as a mere parent.

Each file is read once: a process that edits one of them has to clear the caches.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from seesaw.core.hashing import digest
from seesaw.errors import UserError

PACKAGE = Path(__file__).parents[1]
TRAINING_ROOTS = ("seesaw.training.train",)
# Ignored because the fingerprint contains by value what these modules decide about a training, or
# because they only decide when it is saved and stopped: an edit must not discard weeks of training.
IGNORED = frozenset(
    {
        "core.files",
        "core.hashing",
        "core.integrity",
        "core.json",
        "core.pace",
        "core.paths",
        "core.provenance",
        "core.records",
        "core.versions",
        "core.stopping",
        "core.yaml",
        "errors",
        "spec.datasets",
        "spec.experiments",
        "spec.outputs",
        "training.checkpoint",
        "training.deadline",
    }
)
# Config keys that affect how a machine computes a training, but not the result.
MACHINE_KEYS = frozenset({"images_per_gpu", "num_workers"})
TYPE_KEYS = frozenset({"type", "constructor", "runner_type"})


class _Source(NamedTuple):
    tree: str  # sha256
    imports: frozenset[tuple[str, str]]  # (module, name or "")
    strings: frozenset[str]
    registered: frozenset[str]


def code_modules(roots: Iterable[str], package_dir: Path = PACKAGE) -> dict[str, Path]:
    """Return the package's modules reachable from root modules: full name -> file, by name.

    Imports (also relative ones and those in functions) are followed, and string literals that name
    a module or a registered type (``dict(type='SeesawLoss')`` as a default).

    Raises:
        UserError: a root does not exist or a file is not Python.
    """
    files, registry = _files(package_dir), registry_map(package_dir)
    ignored = {f"{package_dir.name}.{name}" for name in IGNORED}
    found: dict[str, Path] = {}
    todo = sorted(set(roots))
    if unknown := [root for root in todo if root not in files]:
        raise UserError(f"{package_dir} has no module {unknown[0]!r}; correct the root's name.")
    while todo:
        module = todo.pop()
        if module in found or module in ignored:
            continue
        found[module] = files[module]
        source = _read(files[module], module)
        for base, name in source.imports:
            full = f"{base}.{name}" if name else base
            if full in files or not name:
                todo += [full] if _is_module(full, files) else []
            elif base in files:
                todo.append(base)
        for text in source.strings:
            todo += registry.get(text, [text] if _is_module(text, files) else [])
    return dict(sorted(found.items()))


def code_hash(roots: Iterable[str], package_dir: Path = PACKAGE) -> str:
    """Return the sha256 over the names and syntax trees of all reachable modules."""
    modules = code_modules(roots, package_dir)
    return digest([[name, _read(path, name).tree] for name, path in modules.items()])


def code_hashes() -> dict[str, str]:
    """Return module -> first 16 digits of `code_hash`, for every module of the package."""
    return {name: code_hash([name])[:16] for name in _files(PACKAGE)}


def config_types(config: Any) -> set[str]:
    """Return every value of a ``type`` or ``constructor`` key at any depth of a resolved config."""
    types: set[str] = set()
    if isinstance(config, Mapping):
        types = {v for k, v in config.items() if k in TYPE_KEYS and isinstance(v, str)}
        config = list(config.values())
    return types.union(*map(config_types, config)) if isinstance(config, list | tuple) else types


def of_any_machine(config: Any) -> Any:
    """Return a resolved config without `MACHINE_KEYS`, at any depth."""
    if isinstance(config, Mapping):
        return {k: of_any_machine(v) for k, v in config.items() if k not in MACHINE_KEYS}
    return [of_any_machine(v) for v in config] if isinstance(config, list | tuple) else config


@cache
def registry_map(package_dir: Path = PACKAGE) -> dict[str, list[str]]:
    """Map each registered type name to the modules that register it, by static analysis."""
    registry: dict[str, list[str]] = {}
    for module, path in _files(package_dir).items():
        for name in _read(path, module).registered:
            registry.setdefault(name, []).append(module)
    return registry


def modules_of_types(types: Iterable[str], registry: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the package's modules that register these types; library types contribute none.

    A scope (``mmdet.SeesawLoss``) is dropped, as mmengine's registries do.
    """
    return {module for t in types for module in registry.get(t.rpartition(".")[2], ())}


def training_parts(
    config: Mapping,
    dataset_hash: str,
    seed: int,
    parent: str | None,
    extra_roots: Iterable[str] = TRAINING_ROOTS,
    package_dir: Path = PACKAGE,
) -> dict[str, Any]:
    """Return everything that determines a training's weights, the input of `fingerprint`.

    ``parent`` is the fingerprint of the training whose weights this one starts from.
    ``extra_roots`` are modules that every training runs, whatever its config.

    Returns:
        ``config`` (without `MACHINE_KEYS`), ``dataset``, ``seed``, ``parent``, and ``code``:
        module -> hash of its syntax tree.
    """
    files = _files(package_dir)
    config = of_any_machine(config)
    types = config_types(config)
    imported = (config.get("custom_imports") or {}).get("imports") or []
    named = [t.rpartition(".")[0] for t in types]  # type='seesaw.data.x.Y', unregistered
    named += [imported] if isinstance(imported, str) else imported
    roots = modules_of_types(types, registry_map(package_dir)) | set(extra_roots)
    roots |= {name for name in named if _is_module(name, files)}
    code = _code(frozenset(roots), package_dir)
    return dict(config=config, dataset=dataset_hash, seed=seed, parent=parent, code=code)


@cache
def _code(roots: frozenset[str], package_dir: Path) -> dict[str, str]:
    """Return module -> hash of its syntax tree, for all modules reachable from the roots."""
    modules = code_modules(roots, package_dir)
    return {name: _read(path, name).tree[:16] for name, path in modules.items()}


@cache
def _files(package_dir: Path) -> dict[str, Path]:
    files = {}
    for path in sorted(Path(package_dir).rglob("*.py")):
        parts = (package_dir.name, *path.relative_to(package_dir).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def _is_module(name: str, files: Mapping[str, Path]) -> bool:
    return name in files and files[name].name != "__init__.py"


@cache
def _read(path: Path, module: str = "") -> _Source:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    try:
        return _parse(path.read_bytes(), package)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); restore it.") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not valid Python ({error}); correct it.") from None


@cache  # by content: modules are parsed once, and edits are noticed
def _parse(source: bytes, package: str) -> _Source:
    tree = ast.parse(source)
    imports: set[tuple[str, str]] = set()
    registered: set[str] = set()
    strings: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):  # a lambda's body is not a list
            kept = [s for s in body if not _is_docstring(s)] or [ast.Pass()]
            node.body = kept  # type: ignore[attr-defined]
        if isinstance(node, ast.JoinedStr):  # to a nested format, Python 3.12 adds an empty string
            node.values = [v for v in node.values if getattr(v, "value", None) != ""]
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                imports |= {(alias.name, "") for alias in node.names}
            case ast.ImportFrom():
                parents = package.split(".")
                near = parents[: len(parents) + 1 - node.level] if node.level else []
                base = ".".join([*near, *([node.module] if node.module else [])])
                imports |= {(base, alias.name) for alias in node.names}
            case ast.Constant(value=str(text)):
                strings.add(text)
            case ast.ClassDef() | ast.FunctionDef():
                for decorator in node.decorator_list:
                    registered |= _registered(decorator, node.name)
            case ast.Call():
                for keyword in (k for k in node.keywords if k.arg == "module"):
                    name = ast.unparse(keyword.value).rpartition(".")[2]
                    registered |= _registered(node, name)
    return _Source(
        digest(_plain(tree)), frozenset(imports), frozenset(strings), frozenset(registered)
    )


def _plain(node: Any) -> Any:
    """Return a syntax tree as nested lists, without empty fields: new Pythons add such fields."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return ascii(node)
    fields = [[k, _plain(v)] for k, v in ast.iter_fields(node) if v is not None and v != []]
    return [type(node).__name__, *fields]


def _is_docstring(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    return isinstance(statement, ast.Expr) and isinstance(getattr(value, "value", None), str)


def _registered(call: ast.expr, default: str) -> set[str]:
    """Return the names that ``register_module(name=None, force=False, module=None)`` registers."""
    if not (isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "register_module"):
        return set()
    given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "name")]
    try:
        names = ast.literal_eval(given[0]) if given else None
    except ValueError:
        raise ValueError(f"line {call.lineno}: a registered name must be a literal") from None
    return {default} if names is None else {names} if isinstance(names, str) else set(names)
