"""No file is read or written in whatever encoding the machine prefers."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["packtutor", "examples", "benchmarks", "tools", "tests", "book"]
# Where the encoding stands, if it has no name.
PLACES = {"read_text": 0, "write_text": 1, "TextIOWrapper": 1}


def leaves_it_open(call):
    """Whether a call reads or writes text and names no encoding."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in named:
        return False
    function, origin = call.func, None
    name = getattr(function, "id", None)
    if isinstance(function, ast.Attribute):
        name = function.attr
        origin = getattr(function.value, "id", None)
    if name in PLACES:
        return len(call.args) <= PLACES[name]
    if {"text", "universal_newlines"} & named.keys():
        return origin == "subprocess" or "capture_output" in named
    if name in ("NamedTemporaryFile", "TemporaryFile"):
        return "b" not in mode_of(call, named, 0, "w+b")
    if name in ("open", "fdopen") and (name, origin) not in (
        ("open", "os"),
        ("open", "Image"),
        ("open", "tarfile"),
        ("open", "webbrowser"),
    ):
        has_path = isinstance(function, ast.Name) or origin in ("io", "os")
        return "b" not in mode_of(call, named, int(has_path), "r")
    return False


def mode_of(call, named, place, default):
    given = [*call.args[place : place + 1], *filter(None, [named.get("mode")])]
    mode = getattr(given[0], "value", "r") if given else default
    return mode if isinstance(mode, str) else "r"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("open(p)", True),
        ("open(p, 'w')", True),
        ("open(p, 'rb')", False),
        ("open(p, encoding='utf-8')", False),
        ("p.open()", True),
        ("p.open('xb')", False),
        ("Path(p).open('rb')", False),
        ("p.open(mode='wb')", False),
        ("io.open(p, 'w')", True),
        ("os.fdopen(h)", True),
        ("os.open(p, os.O_RDONLY)", False),
        ("p.read_text()", True),
        ("p.read_text('utf-8')", False),
        ("p.write_text('x')", True),
        ("p.write_text('x', 'utf-8')", False),
        ("io.TextIOWrapper(b)", True),
        ("NamedTemporaryFile()", False),
        ("NamedTemporaryFile('w')", True),
        ("subprocess.run(c, text=True)", True),
        ("subprocess.run(c)", False),
    ],
)
def test_the_search_finds_what_it_should(line, expected):
    assert leaves_it_open(ast.parse(line).body[0].value) == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_has_its_encoding_named(folder):
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    assert [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and leaves_it_open(node)
    ] == []
