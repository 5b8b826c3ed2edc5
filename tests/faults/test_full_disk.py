"""A full disk: the old file stands, nothing is left, the error names it."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from making import ROOT
from trainer_runs import TINY

from benchmarks import __main__ as benchmark
from benchmarks import plots, results
from examples import train
from packtutor.__main__ import main
from tools import execute

BATCH = str(ROOT / "tests" / "reports" / "batch.txt")
SHORT = [*TINY, "--limit=300", "--epochs=1"]
full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="there is no /dev/full here"
)


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def checkpoint(path):
    more = ["--resume", "--epochs=2"] if path.exists() else []
    return train.main([*SHORT, f"--checkpoint={path}", *more])


def trainer_report(path):
    return train.main([*SHORT, f"--report={path}"])


def report_figure(path):
    return main(["report", BATCH, "--figure", str(path)])


def explain_figure(path):
    return main(["explain", "go", "get set", "--figure", str(path)])


@pytest.mark.parametrize(
    ("write", "name", "error"),
    [
        (checkpoint, "run.pt", "train.py: error: {} cannot be written"),
        (trainer_report, "run", "train.py: error: {} cannot be written"),
        (report_figure, "report.png", "packtutor: cannot write {!r}"),
        (explain_figure, "batch.png", "packtutor: cannot write {!r}"),
    ],
)
def test_a_command_leaves_the_old_file(disk, capsys, write, name, error):
    path = disk.folder / name
    assert write(path) == 0
    before = content(disk.folder)
    assert list(before) == [name]
    capsys.readouterr()
    with disk.full(room=1000):
        assert write(path) > 0
        after = content(disk.folder)
        after.pop("ballast", None)
        assert after == before
    said = capsys.readouterr().err
    text = error.format(str(path))
    assert said in {
        f"{text}: No space left on device\n",
        f"{text}: File too large\n",
    }
    assert write(path) == 0  # there is room again
    assert list(content(disk.folder)) == [name]


def test_a_first_file_is_not_there_by_half(disk, capsys):
    with disk.full(room=1000):
        for write in (checkpoint, report_figure):
            assert write(disk.folder / "new.png") > 0
            assert set(content(disk.folder)) <= {"ballast"}


def result(folder):
    results.write(folder, "growth", {"cases": list(range(1000))})


def plot(folder):
    found = results.read_all(results.COMMITTED)
    plots.draw_all({"growth": found["growth"]}, folder)


def chapter(folder):
    cells = [nbformat.v4.new_markdown_cell("word " * 1000)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    execute.normalise(notebook)
    execute.write(folder / "01.ipynb", notebook)


@pytest.mark.parametrize("write", [result, plot, chapter])
def test_a_tool_leaves_the_old_file(disk, write):
    write(disk.folder)
    before = content(disk.folder)
    assert len(before) == 1
    with (
        disk.full(room=1000),
        pytest.raises(OSError, match="No space|too large") as raised,
    ):
        write(disk.folder)
    assert Path(raised.value.filename).name in before
    assert content(disk.folder) == before


def test_the_benchmarks_say_what_they_could_not_write(disk, monkeypatch):
    row = {"name": "x" * 2000}
    jobs = {"growth": lambda settings: [benchmark.Job("one", lambda: [row])]}
    monkeypatch.setattr(benchmark, "SUITES", jobs)
    monkeypatch.setattr(benchmark, "finish", lambda name, rows, _: {"r": rows})
    path = disk.folder / "growth.json"
    with (
        disk.full(room=1000),
        pytest.raises(SystemExit, match=f"{path} cannot be written: "),
    ):
        benchmark.main(["--only", "growth", "--out", str(disk.folder)])
    assert list(disk.folder.iterdir()) == []


@full_device
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["-m", "packtutor", "report", BATCH], "packtutor: cannot write"),
        (["-m", "packtutor", "explain", "go"], "packtutor: cannot write"),
        (["examples/train.py", *SHORT], "train.py: error: standard output"),
    ],
)
def test_standard_output_on_a_full_disk(command, said):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.endswith(": No space left on device\n")
    assert done.stderr.count("\n") == 1
