"""Two of the same make at once: the second waits for the first."""

import os
import subprocess
import sys
import time

from making import ROOT, posix

pytestmark = posix
ALONE = [sys.executable, str(ROOT / "tools" / "alone.py")]
WAITING = "make: waiting for another make in this folder\n"


def alone(file, *command):
    """Start a command while nobody else runs one for the same file."""
    return subprocess.Popen(
        [*ALONE, str(file), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_the_second_waits_for_the_first(tmp_path):
    file, log = tmp_path / "file", tmp_path / "log"
    file.write_text("as it was", "utf-8")
    steps = f"echo in >>'{log}'; sleep 0.3; echo out >>'{log}'"
    processes = [alone(file, "sh", "-c", steps) for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3
    assert log.read_text("utf-8") == "in\nout\n" * 3
    assert sorted(errors for _, errors in ends) == ["", WAITING, WAITING]
    assert file.read_text("utf-8") == "as it was"
    assert sorted(tmp_path.iterdir()) == [file, log]


def test_the_command_gets_its_arguments_and_gives_its_status(tmp_path):
    file = tmp_path / "file"
    file.touch()
    process = alone(file, "sh", "-c", 'echo "$0, $1"; exit 7', "a b", "ü")
    assert process.communicate(timeout=60) == ("a b, ü\n", "")
    assert process.returncode == 7


def test_what_a_killed_one_has_started_is_waited_for(tmp_path):
    file, log = tmp_path / "file", tmp_path / "log"
    file.touch()
    orphan = f"(sleep 1; echo orphan >>'{log}') >/dev/null 2>&1 & kill -9 $$"
    killed = alone(file, "sh", "-c", orphan)
    assert killed.communicate(timeout=60) == ("", "")
    assert killed.returncode == -9
    process = alone(file, "sh", "-c", f"echo second >>'{log}'")
    assert process.communicate(timeout=60)[1] == WAITING
    assert log.read_text("utf-8") == "orphan\nsecond\n"


def test_a_folder_that_is_read_only_can_be_held(tmp_path):
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o444)
    assert alone(file, "echo").communicate(timeout=60) == ("\n", "")


def test_two_set_ups_share_one_environment(slow, tmp_path):
    folder = tmp_path / "two ö"
    (folder / "tools").mkdir(parents=True)
    for name in ("Makefile", "tools/alone.py"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "none.txt").touch()
    command = [
        *("make", "setup", f"PYTHON={sys.executable}"),
        *("CONSTRAINTS=none.txt", "EVERYTHING=-r none.txt"),
    ]
    processes = []
    for _ in range(2):
        processes.append(
            subprocess.Popen(
                command,
                cwd=folder,
                env={k: v for k, v in os.environ.items() if "MAKE" not in k},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
        )
        time.sleep(0.5)
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("setting up .venv" in text for text in said) == 1
    assert (folder / ".venv" / "installed").read_text("utf-8") == f"{folder}\n"
