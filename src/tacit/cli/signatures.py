"""Options read from the source of a class without importing it, so that help needs no torch."""

from __future__ import annotations

import ast
import functools
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal

from tacit.cli.options import Option

__all__ = ["field_options", "keyword_options"]

ROOT = Path(__file__).parents[2]
PLAIN: dict[str, Any] = {"bool": bool, "float": float, "int": int, "str": str, "Frozen": str}
PYTHON_ONLY = object()


def keyword_options(module: str, cls: str, function: str = "__init__", group: str = "options") -> tuple[Option, ...]:
    """Returns the keyword-only parameters of a method as options; those that only Python can give have no hint.

    Arguments:
        module: Where the class is: ``tacit.methods.autoencoders.vae``.
        cls: Its name; the function may be inherited.
        function: The constructor, whose options the class's docstring explains, or another.
        group: The heading under which help shows them.
    """
    found = find_function(module, cls, function)
    if found is None:
        return ()
    place, owner, node = found
    own = explained(ast.get_docstring(node) or "")
    helps = explained(ast.get_docstring(owner) or "") | own if function == "__init__" else own
    return tuple(
        Option(p.arg, hint(p.annotation, place), default_value(default, place), helps.get(p.arg, ""), group)
        for p, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    )


def field_options(module: str, cls: str, group: str = "options") -> tuple[Option, ...]:
    """Returns the fields of a dataclass as options."""
    place, node = locate(module, cls) or (module, None)
    if not isinstance(node, ast.ClassDef):
        raise LookupError(f"{module} has no class {cls}")
    helps = explained(ast.get_docstring(node) or "")
    return tuple(
        Option(f.target.id, hint(f.annotation, place), default_value(f.value, place), helps.get(f.target.id, ""), group)
        for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)
    )


@functools.cache
def parsed(module: str) -> ast.Module:
    """Returns the syntax tree of one of tacit's own modules."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def locate(module: str, name: str) -> tuple[str, ast.AST] | None:
    """Returns the class or the value that a module calls `name`, and the module of tacit that defines it."""
    for node in parsed(module).body:
        match node:
            case ast.ClassDef(name=found) if found == name:
                return module, node
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return module, value
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                return module, value
            case ast.ImportFrom(module=str(source), names=names) if source.startswith("tacit."):
                for alias in names:
                    if (alias.asname or alias.name) == name:
                        return locate(source, alias.name)
    return None


def find_function(module: str, cls: str, function: str) -> tuple[str, ast.ClassDef, ast.FunctionDef] | None:
    """Returns the function that a class has or inherits, with the module and the class that hold it."""
    place, owner = locate(module, cls) or (module, None)
    if not isinstance(owner, ast.ClassDef) or cls == "Method":
        return None
    for node in owner.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return place, owner, node
    bases = (find_function(place, base.id, function) for base in owner.bases if isinstance(base, ast.Name))
    return next((found for found in bases if found), None)


def explained(docstring: str) -> dict[str, str]:
    r"""Returns what the ``Arguments:`` of a docstring say of each.

    Example:
        >>> explained("What it is.\n\nArguments:\n    beta: Weight of the\n        second term.\n    k: Draws.\n")
        {'beta': 'Weight of the second term.', 'k': 'Draws.'}
    """
    section = re.search(r"^Arguments:\n((?: +.*\n|\n)*)", docstring + "\n", re.MULTILINE)
    parts = re.split(r"^ {4}(\w+):", section[1], flags=re.MULTILINE) if section else [""]
    return {name: " ".join(text.split()).replace("``", "") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def hint(node: ast.AST | None, module: str) -> Any:
    """Returns the type hint that an annotation stands for, or None where its values cannot be written as text."""
    written = tuple(m for part in united(node) if (m := member(part, module)) is not PYTHON_ONLY)
    return functools.reduce(operator.or_, written) if set(written) - {None} else None


def united(node: ast.AST | None) -> Iterator[ast.AST]:
    """Yields the parts of ``a | b | c``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from united(node.left)
        yield from united(node.right)
    elif node is not None:
        yield node


def member(node: ast.AST, module: str) -> Any:
    """Returns the type of one part of an annotation, or `PYTHON_ONLY`."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name) if name in PLAIN:
            return PLAIN[name]
        case ast.Name(id=name):
            place, alias = locate(module, name) or (module, None)
            return hint(alias, place) or PYTHON_ONLY
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inside):
            return Literal[ast.literal_eval(inside)]
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=inside)):
            return GenericAlias(tuple, tuple(... if isinstance(e, ast.Constant) else hint(e, module) for e in inside))
    return PYTHON_ONLY


def default_value(node: ast.AST | None, module: str) -> Any:
    """Returns the value of a default; ``...`` where there is none."""
    if isinstance(node, ast.Name):
        place, constant = locate(module, node.id) or (module, None)
        return default_value(constant, place)
    return ast.literal_eval(node) if isinstance(node, ast.expr) else ...
