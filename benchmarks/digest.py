"""Fingerprint the code that is measured, not its comments."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "packtutor"
MEASURED = ("ragged", "recurrence")
# What a training run is made of, by the name of its result.
RUNS = {
    "training": ("examples.task", "examples.model", "examples.training"),
    "stragglers": ("examples.task", "examples.model"),
}


def digest_for(name: str) -> str:
    """Return the digest that a result's file has to bear."""
    return digest_of_run(RUNS[name]) if name in RUNS else digest_of_package()


def digest_of_run(starts: tuple[str, ...], root: Path = ROOT) -> str:
    """Return the sha256 of modules and of all of ours that they import."""
    total = hashlib.sha256()
    for name in modules_of_run(starts, root):
        source = strip(_path(root, name).read_text(encoding="utf-8"))
        total.update(f"{name}\n{source}\n".encode())
    return total.hexdigest()


def modules_of_run(starts: tuple[str, ...], root: Path = ROOT) -> list[str]:
    """Return the dotted names of modules and of all they import, sorted.

    A name that comes from ``packtutor`` itself leads to the module that has
    it, not to all that the package offers.
    """
    homes = dict(_imports(root / "packtutor" / "__init__.py"))
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in found or not _path(root, name).is_file():
            continue
        found.add(name)
        for used, module in _imports(_path(root, name)):
            home = homes.get(used, module) if module == "packtutor" else module
            within = home in ("packtutor", "examples")
            waiting.append(f"{home}.{used}" if within else home)
    return sorted(found)


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name that a file takes from a module, and that module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.name, node.module


def _path(root: Path, name: str) -> Path:
    return root.joinpath(*name.split(".")).with_suffix(".py")


def digest_of_package(package: Path = PACKAGE) -> str:
    """Return the sha256 of the measured modules and of all they import."""
    total = hashlib.sha256()
    for name in measured_modules(package):
        source = (package / f"{name}.py").read_text(encoding="utf-8")
        total.update(f"{name}\n{strip(source)}\n".encode())
    return total.hexdigest()


def measured_modules(package: Path = PACKAGE) -> list[str]:
    """Return the names of the measured modules, sorted."""
    found: set[str] = set()
    waiting = list(MEASURED)
    while waiting:
        name = waiting.pop()
        if name in found or not (package / f"{name}.py").is_file():
            continue
        found.add(name)
        source = (package / f"{name}.py").read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.ImportFrom):
                continue
            origin, _, module = (node.module or "").partition(".")
            if origin == package.name:
                names = [alias.name for alias in node.names]
                waiting += [module] if module else names
    return sorted(found)


def strip(source: str) -> str:
    """Return the source without comments, docstrings and blank lines.

    Only the places of docstrings and comments are taken from Python's own
    parsers: what they make of the rest differs between versions.
    """
    lines = source.splitlines()
    readline = io.StringIO(source).readline
    for token in tokenize.generate_tokens(readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(
            node,
            ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
        ) and ast.get_docstring(node, clean=False):
            text = node.body[0]
            for row in range(text.lineno, (text.end_lineno or 0) + 1):
                lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
