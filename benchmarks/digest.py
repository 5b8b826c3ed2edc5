"""Fingerprint the code that is measured, not its comments."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "packtutor"
MEASURED = ("ragged", "recurrence")


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
