"""An interrupted make, repeated: the right result and nothing left over."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from making import ROOT, copy_checkout, posix

pytestmark = [posix, pytest.mark.usefixtures("slow")]
DICE = random.Random(0)
_ENTRY = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
# All of it takes minutes; this is of every kind that make test runs.
SOME = "-k 'test_packed or test_files or 01_meet' --cov-fail-under=0"
KILLS = {
    "interrupt": lambda pid: os.killpg(pid, signal.SIGINT),
    "kill": lambda pid: os.killpg(pid, signal.SIGKILL),
    # What make has started goes on for a while.
    "kill make alone": lambda pid: os.kill(pid, signal.SIGKILL),
}
each_kill = pytest.mark.parametrize("kill", KILLS.values(), ids=list(KILLS))


def make(folder, *arguments):
    """Start make in a group of processes of its own."""
    inherited = {k: v for k, v in os.environ.items() if "MAKE" not in k}
    return subprocess.Popen(
        ["make", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(folder), "PYTEST_ADDOPTS": SOME},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )


def complete(folder, *arguments):
    """Run make to its end; return the seconds that took."""
    began = time.monotonic()
    process = make(folder, *arguments)
    output, _ = process.communicate(timeout=1500)
    assert process.returncode == 0, output
    return time.monotonic() - began


def break_off(folder, kill, seconds, *arguments):
    """Start make, end it after some seconds, and wait for it alone."""
    process = make(folder, *arguments)
    time.sleep(seconds)
    if process.poll() is None:
        kill(process.pid)
    process.wait()
    process.stdout.close()


def tree(folder):
    """Return each file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout whose environment is the one of this process."""
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, start in {
        "python": "",
        "jupyter-book": f"-c '{_ENTRY}'",
    }.items():
        script = programs / name
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" {start} "$@"\n', "utf-8"
        )
        script.chmod(0o755)
    pins = (folder / "constraints.txt").read_text("utf-8")
    (folder / ".venv" / "installed").write_text(f"{folder}\n{pins}", "utf-8")
    # git shows what a make leaves behind.
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def left_over(folder):
    """Return the files that git would take for new or changed."""
    return subprocess.run(
        ["git", "status", "--porcelain", "-u"],
        cwd=folder,
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout.splitlines()


@pytest.fixture(scope="module")
def whole_book(checkout):
    """Build the book once, undisturbed: its pages, and how long it took."""
    seconds = complete(checkout, "book")
    return tree(checkout / "_build" / "html"), seconds


@each_kill
def test_an_interrupted_book_is_repeated(checkout, whole_book, kill):
    pages, seconds = whole_book
    before = left_over(checkout)
    for share in (DICE.uniform(0.1, 0.5), DICE.uniform(0.5, 0.9)):
        break_off(checkout, kill, share * seconds, "book")
    complete(checkout, "book")
    assert (checkout / "_build" / "done").is_file()
    again = tree(checkout / "_build" / "html")
    assert list(again) == list(pages)
    assert [name for name in pages if again[name] != pages[name]] == []
    assert left_over(checkout) == before


@each_kill
def test_an_interrupted_test_is_repeated(checkout, kill):
    before = left_over(checkout)
    seconds = complete(checkout, "test")
    for share in (DICE.uniform(0.1, 0.5), DICE.uniform(0.5, 0.9)):
        break_off(checkout, kill, share * seconds, "test")
    complete(checkout, "test")
    assert left_over(checkout) == before
    # The data of processes that were killed would count as those of others.
    assert [path.name for path in checkout.glob(".coverage*")] == [".coverage"]


@each_kill
def test_an_interrupted_set_up_is_repeated(tmp_path, kill):
    (tmp_path / "tools").mkdir()
    for name in ("Makefile", "tools/alone.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "none.txt").touch()
    python = Path(sys.base_prefix) / "bin" / "python3"
    arguments = [
        *("setup", f"PYTHON={python if python.exists() else sys.executable}"),
        *("CONSTRAINTS=none.txt", "EVERYTHING=-r none.txt"),
    ]
    seconds = complete(tmp_path, *arguments)
    whole = set(tree(tmp_path / ".venv"))
    for _ in range(3):
        shutil.rmtree(tmp_path / ".venv")
        break_off(tmp_path, kill, DICE.uniform(0, seconds), *arguments)
        complete(tmp_path, *arguments)
        installed = tmp_path / ".venv" / "installed"
        assert installed.read_text("utf-8") == f"{tmp_path}\n"
        assert set(tree(tmp_path / ".venv")) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(".venv", "Makefile", "none.txt", "tools")
    ]
