"""The floors of the house, the absence of cycles, the public surface, and what must never be installed."""

import ast
import importlib
import importlib.metadata
import re
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "tacit"
FLOORS = [  # lowest first; a file imports from its own room and from lower floors only
    {"errors", "files"},
    {"protocol"},
    {"functional"},
    {"data", "nets", "pictures"},
    {"attacks"},
    {"methods"},
    {"catalog"},
    {"training"},
    {"runs"},
    {"evaluation", "explain", "labelling"},
    {"study", "sklearn"},
    {"report"},
    {"cli", "explorer"},
    {"__main__"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(SRC.rglob("*.py"))
MODULES = {".".join(("tacit", *p.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__"): p for p in FILES}


def imports(module: str) -> dict[str, int]:
    """Modules of tacit that a module imports when it runs, with their lines."""
    tree = ast.parse(MODULES[module].read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            names = [f"{node.module}.{a.name}" for a in node.names] + [str(node.module)]
        else:
            continue
        found |= {name: node.lineno for name in names if name.split(".")[0] == "tacit" and name in MODULES}
    return found


def room(module: str) -> str:
    return (module.split(".") + ["__init__"])[1]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module):
    if room(module) == "__init__":
        return
    for target, line in imports(module).items():
        here, there = room(module), room(target)
        if there != "__init__" and here != there:
            assert FLOOR[there] < FLOOR[here], f"{module}:{line} imports upwards: {target}"


def test_every_room_has_a_floor():
    assert {room(m) for m in MODULES} - {"__init__"} <= FLOOR.keys()


def test_no_import_cycles():
    graph = {m: set(imports(m)) - {m} for m in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"import cycle: {' -> '.join((*path, module))}"
        if module in done:
            return
        for target in sorted(graph[module]):
            visit(target, (*path, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


@pytest.mark.parametrize("module", [m for m in MODULES if not m.endswith("__main__")])
def test_public_names_are_sorted_and_there(module):
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert list(names) in (sorted(names), sorted(names, key=isort_key)), f"{module}.__all__ is not sorted"
    for name in names:
        assert hasattr(loaded, name), f"{module}.__all__ names {name!r}, which is not there"
    tree = ast.parse(MODULES[module].read_text())
    defined = any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in tree.body)
    assert names or not defined, f"{module} has no __all__"


def isort_key(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions: the order in which ruff sorts."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) == "methods"])
def test_no_yield_inside_with(module):
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.With):
            inner = [n for n in ast.walk(node) if isinstance(n, (ast.Yield, ast.YieldFrom))]
            assert not inner, f"{module}:{node.lineno} yields inside a with block: the mode leaks into the trainer"


def test_methods_are_named_in_their_own_files_only():
    """No code outside a method's file, its catalogue row and its test names that method."""
    from tacit.catalog import CATALOG

    for module, path in MODULES.items():
        if room(module) in {"methods", "catalog"}:
            continue
        constants = (n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant))
        strings, imported = {value for value in constants if isinstance(value, str)}, set(imports(module))
        for row in CATALOG:
            assert row.name not in strings, f"{module} names the method {row.name!r}"
            assert row.module not in imported, f"{module} imports {row.module}"


def test_lock_pins_torch_and_never_torchvision():
    lock = (SRC.parent.parent / "constraints.txt").read_text()
    assert re.search(r"^torch==2\.13\.0$", lock, re.M)
    for banned in ("torchvision", "torchaudio", "timm", "torch-fidelity", "torchcodec", "nvidia"):
        assert not re.search(rf"^{banned}", lock, re.M | re.I), f"the lock holds {banned}"
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    assert not installed & {"torchvision", "torchaudio", "timm", "torchcodec"}
    assert importlib.metadata.version("torch").startswith("2.13.0")
