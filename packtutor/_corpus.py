"""The prose that comes with Python: a corpus that every reader has."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# Modules whose docstrings are prose. A fixed list, so that the texts differ
# between Python versions only by what Python itself changed.
_MODULES = """
    argparse ast bdb calendar cmd code collections configparser
    contextlib copy csv ctypes dataclasses datetime difflib dis doctest
    email enum fractions functools gettext glob gzip heapq http imaplib
    inspect ipaddress json locale logging mailbox numbers optparse
    pathlib pdb pickle pickletools platform plistlib poplib pprint pydoc
    queue random sched secrets shelve shutil smtplib socket statistics
    string subprocess symtable tarfile tempfile textwrap threading
    timeit tokenize trace traceback types typing unittest uuid wave
    weakref webbrowser zipfile _pydecimal _pyio socketserver ssl
    selectors
""".split()  # noqa: SIM905 (a list would take a line a name)

_DOCUMENTED = (
    ast.Module,
    ast.ClassDef,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
)
_KINDS = dict(
    zip(_DOCUMENTED, ("module", "class", "function", "function"), strict=True)
)


class Paragraph(NamedTuple):
    """A paragraph, what it documents, and where it comes from.

    Example:
        >>> Paragraph("Text wrapping and filling.", "module", "textwrap").kind
        'module'

    Not for:
        Texts of your own: any pair of text and label will do.
    """

    text: str
    kind: str
    source: str


def python_help_texts() -> list[str]:
    """Return the prose that comes with Python: a corpus without a download.

    The topics of ``help()`` and the docstrings of a fixed list of standard
    modules, at least 150,000 words. The sources are parsed, not imported.
    The texts differ a little between Python versions.

    Example:
        >>> texts = python_help_texts()
        >>> sum(len(text.split()) for text in texts) > 150_000
        True

    Cost:
        One or two seconds: it parses about 80 modules.

    Source:
        Python's standard library (PSF licence).

    Not for:
        Numbers that must be the same on every Python.
    """
    return [text for text, _, _ in _read_all()]


def python_help_paragraphs() -> list[Paragraph]:
    """Return the paragraphs of ``python_help_texts``, labelled.

    A paragraph ends at a blank line. One that comes again, with the same
    words in the same case, is left out: the first stays. So a data set that
    is split by ``source`` has no paragraph on both sides.

    Returns:
        ``text`` has at least one word. ``kind`` is what the text documents:
        ``"topic"`` (a topic of ``help()``), ``"module"``, ``"class"`` or
        ``"function"``. ``source`` is the topic, as in ``help("if")``, or the
        module, as in ``csv``.

    Example:
        >>> paragraphs = python_help_paragraphs()
        >>> sorted({paragraph.kind for paragraph in paragraphs})
        ['class', 'function', 'module', 'topic']

    Cost:
        One or two seconds: it parses about 80 modules.

    Source:
        Python's standard library (PSF licence).

    Not for:
        Numbers that must be the same on every Python.
    """
    first: dict[str, Paragraph] = {}
    for text, kind, source in _read_all():
        for part in re.split(r"\n\s*\n", text):
            words = " ".join(part.split())
            if words:
                first.setdefault(words, Paragraph(part, kind, source))
    return list(first.values())


def _read_all() -> Iterator[Paragraph]:
    for node in ast.walk(ast.parse(_source("pydoc_data.topics"))):
        if isinstance(node, ast.Dict):
            for topic, text in ast.literal_eval(node).items():
                yield Paragraph(text, "topic", f'help("{topic}")')
    for name in _MODULES:
        for node in ast.walk(ast.parse(_source(name))):
            if isinstance(node, _DOCUMENTED):
                docstring = ast.get_docstring(node)
                if docstring:
                    yield Paragraph(docstring, _KINDS[type(node)], name)


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    loader: Any = spec.loader if spec else None
    source = loader.get_source(module) if loader else None
    if source is None:
        raise RuntimeError(f"this Python has no source for {module}")
    return str(source)
