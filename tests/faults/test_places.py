"""The package in odd places: no network, read-only, ASCII, odd paths."""

import os
import shutil
import subprocess
import sys

import pytest
from making import ROOT, copy_checkout, offline, posix, read_only
from trainer_runs import TINY

REPORTS = ROOT / "tests" / "reports"
TRAIN = ["examples/train.py", *TINY, "--epochs=1"]
ODD = "Päck tutor 例"


def run(command, *, status=0, folder=ROOT, **environment):
    """Run a command; return its output, and its errors."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


# --- no network -----------------------------------------------------------

_CHAPTER = """
import sys
from pathlib import Path
from tools import execute
execute.BOOK = Path(sys.argv[1])
sys.exit(execute.main(["01"]))
"""


def test_without_a_network_the_commands_work(tmp_path):
    start = offline()
    figure = tmp_path / "report.png"
    batch = REPORTS / "batch.txt"
    output, errors = run(
        [*start, "-m", "packtutor", "report", batch, "--figure", figure]
    )
    assert "Advice:" in output
    assert figure.stat().st_size > 1000
    assert errors == ""
    output, _ = run([*start, *TRAIN])
    assert "best: epoch 1" in output


def test_without_a_network_a_chapter_runs(slow, tmp_path):
    name = "01_meet_three_documents.ipynb"
    shutil.copy(ROOT / "book" / name, tmp_path)
    output, _ = run([*offline(), "-c", _CHAPTER, tmp_path])
    assert output.startswith(name)
    stored = (ROOT / "book" / name).read_bytes()
    assert (tmp_path / name).read_bytes() == stored


# --- a read-only checkout -------------------------------------------------


def test_a_read_only_checkout_works(tmp_path):
    start = [*read_only(ROOT), sys.executable]
    output, errors = run(
        [*start, "-m", "packtutor", "report", REPORTS / "batch.txt"]
    )
    assert "Advice:" in output
    assert errors == ""
    output, _ = run([*start, *TRAIN, f"--checkpoint={tmp_path / 'run.pt'}"])
    assert "best: epoch 1" in output
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_in_a_read_only_checkout_tests_pass(slow):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    files = ["tests/test_text.py", "packtutor/text.py"]
    output, _ = run([*read_only(ROOT), *command, *files])
    assert " passed" in output


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (
            [*TRAIN, "--checkpoint=x.pt"],
            1,
            "train.py: error: x.pt.lock cannot be written: Read-only file",
        ),
        (
            [*TRAIN, "--report=x.json"],
            1,
            "train.py: error: x.json cannot be written: Read-only file",
        ),
        (
            ["-m", "packtutor", "explain", "go", "--figure", "x.png"],
            2,
            "packtutor: cannot write 'x.png': Read-only file",
        ),
        (["tools/execute.py", "01"], 1, "01_meet_three_documents.ipynb: left"),
    ],
)
def test_a_read_only_checkout_is_named(slow, command, status, said):
    start = [*read_only(ROOT), sys.executable]
    output, errors = run([*start, *command], status=status)
    assert said in output + errors
    assert "Traceback" not in errors


# --- a locale that is not UTF-8 -------------------------------------------


def locales():
    """Return the names of C's own, and of one with Latin-1 if there is."""
    found = ["C", "POSIX"]
    if shutil.which("locale"):
        listed = subprocess.run(
            ["locale", "-a"], capture_output=True, check=True
        ).stdout.decode("latin-1")
        found += [n for n in listed.split() if "8859" in n][:1]
    return found


@pytest.fixture(params=locales())
def ascii_locale(request, all_faults):
    """Turn off what Python itself does about such a locale."""
    if request.param == "POSIX" and not all_faults:
        pytest.skip("C by another name: make faults runs it")
    return {
        "LC_ALL": request.param,
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
    }


@posix
def test_in_another_locale_the_commands_work(tmp_path, ascii_locale):
    text = tmp_path / "naïve 例.txt"
    text.write_text("naïve 例\nset\n", "utf-8")
    command = [sys.executable, "-m", "packtutor"]
    figure = tmp_path / "é.png"
    output, errors = run(
        [*command, "report", text, "--figure", figure], **ascii_locale
    )
    assert ": 2 sequences, 3 tokens\n" in output
    assert errors == ""
    assert figure.exists()
    output, _ = run([*command, "explain", "naïve 例", "go"], **ascii_locale)
    assert "Vocabulary: 5 ids" in output
    assert "2 na" in output
    assert "\\udc" not in output
    options = [
        f"--checkpoint={tmp_path / 'ü.pt'}",
        f"--report={tmp_path / 'ü'}",
    ]
    output, errors = run([sys.executable, *TRAIN, *options], **ascii_locale)
    assert "best: epoch 1" in output
    assert errors == ""


@posix
def test_in_another_locale_tests_and_examples_pass(slow, ascii_locale):
    options = ["-q", "-p", "no:cacheprovider", "--doctest-modules"]
    files = ["packtutor/text.py", "packtutor/report.py", "tests/test_main.py"]
    command = [sys.executable, "-m", "pytest", *options, *files]
    output, _ = run(command, **ascii_locale)
    assert " passed" in output


# --- a path with spaces and letters that are not ASCII --------------------


def test_a_checkout_may_stand_anywhere(slow, tmp_path):
    folder = tmp_path / ODD
    copy_checkout(folder)
    python = [sys.executable]
    code = "import packtutor; print(ascii(packtutor.__file__))"
    output, _ = run([*python, "-c", code], folder=folder)
    assert output.strip() == ascii(str(folder / "packtutor" / "__init__.py"))
    files = ["tests/test_text.py", "tests/test_files.py", "packtutor/text.py"]
    output, _ = run([*python, "-m", "pytest", "-q", *files], folder=folder)
    assert " passed" in output
    name = f"{ODD}.txt"
    shutil.copy(REPORTS / "few.txt", folder / name)
    command = ["-m", "packtutor", "report", name, "--figure", f"{ODD}.png"]
    output, errors = run(
        [*python, *command], folder=folder, PYTHONIOENCODING="utf-8"
    )
    assert output.startswith(f"{name}: ")
    assert errors == ""
    run([*python, *TRAIN, f"--checkpoint={ODD}.pt"], folder=folder)
    assert (folder / f"{ODD}.pt").is_file()
    run([*python, "tools/execute.py", "01"], folder=folder)
    chapter = "book/01_meet_three_documents.ipynb"
    assert (folder / chapter).read_bytes() == (ROOT / chapter).read_bytes()
