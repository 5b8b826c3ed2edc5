"""Prove that nbval bites, and that kernels side by side do not collide."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import nbformat
import pytest
import zmq
from notebooks import NOTEBOOKS, ROOT, code_cells, read, tags


def change_one_digit(notebook: Any) -> int:
    """Change the last digit of the last printed text; return its cell."""
    for index, cell in reversed(list(enumerate(code_cells(notebook)))):
        if tags(cell) & {"nbval-ignore-output", "raises-exception"}:
            continue
        for output in reversed(cell.outputs):
            holder, key = (
                (output, "text")
                if output.output_type == "stream"
                else (output.data, "text/plain")
            )
            digits = list(re.finditer(r"\d", holder[key]))
            if digits:
                at = digits[-1].start()
                other = str((int(holder[key][at]) + 1) % 10)
                holder[key] = holder[key][:at] + other + holder[key][at + 1 :]
                return index
    raise AssertionError("the chapter prints no digit")


def run_nbval(book: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a book of other notebooks as ``make test`` runs this one."""
    shutil.copy(ROOT / "book" / "conftest.py", book)
    report = book.parent / "report.xml"
    command = [
        *(sys.executable, "-m", "pytest", "--nbval", str(book)),
        *("--nbval-current-env", "-p", "no:cacheprovider"),
        *("--nbval-sanitize-with", str(ROOT / "tools" / "nbval.cfg")),
        *("-c", str(ROOT / "pyproject.toml"), f"--rootdir={book.parent}"),
        *(f"--junitxml={report}", *options),
    ]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )


def test_nbval_finds_one_changed_digit_in_each_notebook(
    tmp_path: Path,
) -> None:
    changed = {}
    book = tmp_path / "book"
    book.mkdir()
    # Chapters 6 to 8 read these, beside the folder that it is in.
    results = Path("benchmarks", "results")
    shutil.copytree(ROOT / results, tmp_path / results)
    for path in NOTEBOOKS:
        notebook = read(path)
        changed[path.stem] = change_one_digit(notebook)
        nbformat.write(notebook, book / path.name)

    run = run_nbval(book, "-n", "2", "--dist", "loadfile")
    assert run.returncode == 1, run.stdout + run.stderr

    failed: dict[str, list[int]] = {stem: [] for stem in changed}
    for case in ET.parse(tmp_path / "report.xml").iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            (stem,) = (s for s in changed if s in str(case.attrib))
            name = re.search(r"Cell (\d+)", case.attrib["name"])
            assert name
            failed[stem].append(int(name[1]))
    expected = {stem: [index] for stem, index in changed.items()}
    assert failed == expected, run.stdout + run.stderr


@pytest.mark.skipif(not zmq.has("ipc"), reason="sockets are no files here")
def test_a_kernel_is_reached_by_files(tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.mkdir()
    cell = nbformat.v4.new_code_cell(
        "from ipykernel.connect import get_connection_info\n"
        'get_connection_info(unpack=True)["transport"]',
        execution_count=1,
        outputs=[
            nbformat.v4.new_output(
                "execute_result",
                {"text/plain": "'ipc'"},
                execution_count=1,
            )
        ],
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(notebook, book / "transport.ipynb")

    run = run_nbval(book)
    assert run.returncode == 0, run.stdout + run.stderr
