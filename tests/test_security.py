"""What SECURITY.md promises."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from nbconvert.filters.markdown import markdown2html
from notebooks import BOOK, NOTEBOOKS, code_cells, is_prose, tags
from notebooks import read as read_notebook
from test_project import PYPROJECT, ROOT, read

PACKAGE = sorted((ROOT / "packtutor").glob("*.py"))
PAGES = [*sorted(BOOK.glob("*.md")), ROOT / "README.md"]
SCRIPTS = sorted((ROOT / "book").rglob("*.js"))

# All of the standard library that the package imports.
HARMLESS = {
    "__future__",
    "argparse",
    "ast",  # to parse Python's own sources
    "bisect",
    "codecs",
    "collections",
    "contextlib",
    "dataclasses",
    "functools",
    "hashlib",
    "importlib",  # to find Python's own sources
    "io",
    "itertools",
    "json",
    "math",
    "operator",
    "numbers",
    "os",
    "pathlib",
    "re",
    "secrets",  # names of temporary files
    "shutil",
    "stat",
    "statistics",
    "sys",
    "tempfile",
    "textwrap",
    "time",
    "types",
    "typing",
    "unicodedata",
    "warnings",
}
OTHERS = {"PIL", "matplotlib", "packtutor", "torch", "tqdm"}
# What it calls by these names would run text, start a process, load a module
# or a file by its name, or unpickle.
NEVER = re.compile(
    r"eval|exec|compile|__import__|breakpoint"
    r"|os\.(?:system|popen|exec\w*|spawn\w*|posix_spawn\w*|fork\w*)"
    r"|(?:.*\.)?(?:import_module|exec_module|load_state_dict_from_url)"
    r"|torch\.(?:load|hub\..*|jit\.load|compile)"
    r"|(?:.*\.)?Unpickler"
)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """The top names of all that a module imports, wherever it does."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


# --- the package ----------------------------------------------------------


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_the_package_imports_nothing_that_could(path: Path) -> None:
    assert imported(parsed(path)) <= HARMLESS | OTHERS


def test_nothing_is_allowed_that_is_not_needed() -> None:
    found = set().union(*(imported(parsed(path)) for path in PACKAGE))
    assert found == HARMLESS | OTHERS


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_the_package_calls_nothing_that_could(path: Path) -> None:
    assert never_called(parsed(path)) == []


def never_called(tree: ast.Module) -> list[str]:
    names = [
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
    return [name for name in names if NEVER.fullmatch(name)]


@pytest.mark.parametrize(
    "code",
    [
        "eval(text)",
        "os.system(text)",
        "os.execvp(text, [])",
        "importlib.import_module(name)",
        "torch.load(file)",
        "torch.hub.load(name)",
    ],
)
def test_what_runs_text_is_found(code: str) -> None:
    assert len(never_called(ast.parse(f"def run():\n    return {code}"))) == 1


WATCHED = """
import sys
sys.path.insert(0, {root!r})
import packtutor
from packtutor.__main__ import main

FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn",
    "os.fork", "os.spawn", "pickle.", "urllib.", "ctypes.dlopen",
    "webbrowser.", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.",
    "ftplib.", "http.", "smtplib.", "marshal.loads",
)
seen = []

def watch(event, arguments):
    # Modules that are still to be imported are files of Python's own.
    if event == "open":
        name, mode, _ = arguments
        if isinstance(mode, str) and set(mode) & set("wax+"):
            seen.append((event, name, mode))
        elif not str(name).endswith((".py", ".pyc", ".so", ".txt", ".pyd")):
            seen.append((event, name, mode))
    elif event.startswith(FORBIDDEN):
        # Python unmarshals its own modules, and asks for the width.
        if event not in ("marshal.loads", "shutil.get_terminal_size"):
            seen.append((event, arguments))

sys.addaudithook(watch)
{code}
allowed = [event for event in seen if event[:2] == ("open", {given!r})]
assert len(seen) == len(allowed), seen
print("quiet", len(allowed))
"""


def watched(code: str, given: str = "") -> str:
    """Run code that must not reach out; return how often it opened a file."""
    text = WATCHED.format(root=str(ROOT), code=code, given=given)
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_commands_reach_out_to_nothing(tmp_path: Path) -> None:
    file = tmp_path / "lengths"
    file.write_text("__import__('os').system('true')\nget set\n" * 50, "utf-8")
    code = f"assert main(['report', {str(file)!r}, '--json']) == 0"
    assert watched(code, str(file)) == "quiet 1"
    code = "assert main(['explain', '__import__(\"os\")', 'go']) == 0"
    assert watched(code) == "quiet 0"


def test_the_library_reaches_out_to_nothing() -> None:
    assert (
        watched(
            "import torch\n"
            "batch = packtutor.Ragged(torch.randn(6, 4), [3, 2, 1])\n"
            "packtutor.run_rnn(torch.nn.LSTM(4, 5), batch)\n"
            "packtutor.check_packed(batch.to_packed())\n"
            "assert len(packtutor.python_help_texts()) > 100\n"
        )
        == "quiet 0"
    )


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket()",
        "import subprocess; subprocess.Popen(['true'])",
        "import pickle; pickle.loads(pickle.dumps(main))",
        "open('never', 'w')",
        "open('/etc/hosts')",
    ],
)
def test_what_reaches_out_is_seen(code: str, tmp_path: Path) -> None:
    change = f"import os; os.chdir({str(tmp_path)!r}); "
    with pytest.raises(AssertionError, match="AssertionError"):
        watched(change + code)


# --- what is loaded -------------------------------------------------------


@pytest.mark.parametrize("folder", ["examples", "benchmarks", "tools"])
def test_what_is_loaded_is_weights_only(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called == "torch.load":
                given = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert given["weights_only"] == "True", path
            assert called not in ("pickle.load", "pickle.loads"), path


def test_notebooks_never_turn_weights_only_off() -> None:
    for path in NOTEBOOKS:
        for cell in code_cells(read_notebook(path)):
            assert not re.search(r"weights_only\s*=\s*False", cell.source)


def test_weights_only_is_the_default_of_torch() -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return print, ("run",)

    file = io.BytesIO()
    torch.save(Harm(), file)
    file.seek(0)
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(file)


# --- notebooks, pages, scripts --------------------------------------------


class Active(HTMLParser):
    """What in HTML does something: scripts, frames, handlers, addresses."""

    TAGS = re.compile(
        "applet|audio|base|button|embed|form|frame|iframe|input|link|math"
        "|meta|object|script|select|style|svg|template|textarea|video"
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        if self.TAGS.fullmatch(tag):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            bare = re.sub(r"[\x00-\x20]", "", value or "").lower()
            aligned = re.fullmatch(r"text-align:(?:left|right|center)", bare)
            if name.startswith("on") or name == "srcdoc":
                self.found.append(f"{name}={value}")
            # Markdown's own tables are aligned so.
            if name == "style" and not (tag in ("td", "th") and aligned):
                self.found.append(f"{name}={value}")
            if re.match(r"(?:javascript|vbscript|data):", bare):
                self.found.append(f"{name}={value}")


def active(markdown: str) -> list[str]:
    return Active(markdown2html(markdown)).found


@pytest.mark.parametrize(
    "text",
    [
        "<script>go()</script>",
        "before <SCRIPT src='x'>",
        "<iframe src='https://example.com'></iframe>",
        "<img src='x.png' onerror='go()'>",
        "<a href='java\tscript:go()'>x</a>",
        "[x](javascript:go())",
        "<svg onload='go()'></svg>",
        "<svg><script>go()</script></svg>",
        "<div style='position: fixed'>",
        "<object data='x'></object>",
    ],
)
def test_active_html_is_found(text: str) -> None:
    assert active(text) or "javascript" not in markdown2html(text)
    if "](" not in text:
        assert active(text)


def test_harmless_markdown_is_let_through() -> None:
    text = "a < b, `<pad>`, **bold**\n\n| x |\n|---|\n| [y](z.md#on) |"
    assert active(text) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_nothing_active(path: Path) -> None:
    notebook = read_notebook(path)
    for cell in notebook.cells:
        assert not cell.get("attachments")
        if is_prose(cell):
            assert active(cell.source) == []
    for cell in code_cells(notebook):
        assert "raw" not in tags(cell)
        for output in cell.outputs:
            assert set(output.get("data", {})) <= {"text/plain", "image/png"}
            assert output.output_type in (
                "display_data",
                "error",
                "execute_result",
                "stream",
            )


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_pages_hold_nothing_active(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # Sphinx reads these; they name docstrings and figures.
    text = re.sub(r"^```\{eval-rst\}\n.*?^```$", "", text, flags=re.M | re.S)
    assert active(text) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_make_no_html_of_text_and_load_nothing(path: Path) -> None:
    never = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\("
        r"|new Function|setTimeout\(\s*['\"`]|\bfetch\(|XMLHttpRequest"
        r"|WebSocket|sendBeacon|\bimport\("
    )
    assert not re.search(never, path.read_text(encoding="utf-8"))


def test_there_are_scripts_to_look_at() -> None:
    names = {path.name for path in SCRIPTS}
    assert {"packing_explorer.js", "lstm_run.js"} <= names


# --- SECURITY.md ----------------------------------------------------------


def test_the_supported_versions_are_those_of_pyproject() -> None:
    text = read("SECURITY.md")
    pythons = re.findall(
        r"Python :: (3\.\d+)", "\n".join(PYPROJECT["project"]["classifiers"])
    )
    assert f"Python {pythons[0]} to {pythons[-1]} " in text
    (needed,) = PYPROJECT["project"]["dependencies"]
    assert f"torch {needed.removeprefix('torch>=')} or later" in text


def test_it_names_what_exists() -> None:
    text = read("SECURITY.md")
    for name in re.findall(r"`((?:tests|examples)/\w+\.py)", text):
        assert (ROOT / name).is_file()
    import packtutor

    for name in ("Ragged", "check_packed", "padding_fraction"):
        assert f"`{name}`" in text
        assert hasattr(packtutor, name)
